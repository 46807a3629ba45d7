# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic of the package, in one place."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

SENSOR = QoSProfile(
    depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
)
"""Images: only the newest counts, a lost one is not sent again."""

JOINTS_READ = QoSProfile(
    depth=10, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
)
"""Joint states read: arm and gripper may come in messages of their own, one after another."""

JOINT_STATES = QoSProfile(
    depth=10, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
"""Joint states published: reliable, as joint_state_broadcaster does, so that every reader fits."""

LATCHED = QoSProfile(
    depth=1,
    history=HistoryPolicy.KEEP_LAST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""The newest value also reaches those who come later: robot_description, instruction, sim/state."""

COMMAND = QoSProfile(
    depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
"""Trajectories and twists: a command that a newer one has replaced is worth nothing."""

EVERY_SETPOINT = QoSProfile(
    depth=100, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
"""The simulated controller's setpoints: who differentiates them needs them all."""

CLOCK = QoSProfile(
    depth=1, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.BEST_EFFORT
)
"""The `/clock` topic, as rclpy's time source reads it."""

DIAGNOSTICS = QoSProfile(
    depth=10, history=HistoryPolicy.KEEP_LAST, reliability=ReliabilityPolicy.RELIABLE
)
"""The `/diagnostics` topic, as the aggregator reads it."""
