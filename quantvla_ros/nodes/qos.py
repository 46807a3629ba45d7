# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic of the package, in one place."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _newest(depth: int, reliable: bool, latched: bool = False) -> QoSProfile:
    """Keep the newest `depth` messages; latched: also for those who subscribe later."""
    return QoSProfile(
        depth=depth,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


SENSOR = _newest(1, reliable=False)
"""Images: only the newest counts, a lost one is not sent again."""

JOINTS_READ = _newest(10, reliable=False)
"""Joint states read: arm and gripper may come in messages of their own, one after another."""

JOINT_STATES = _newest(10, reliable=True)
"""Joint states published: reliable, as joint_state_broadcaster does, so that every reader fits."""

LATCHED = _newest(1, reliable=True, latched=True)
"""The newest value also reaches those who come later: robot_description, instruction, sim/state."""

COMMAND = _newest(1, reliable=True)
"""Trajectories and twists: a command that a newer one has replaced is worth nothing."""

EVERY_SETPOINT = _newest(100, reliable=True)
"""The simulated controller's setpoints: who differentiates them needs them all."""

CLOCK = _newest(1, reliable=False)
"""The `/clock` topic, as rclpy's time source reads it."""

DIAGNOSTICS = _newest(10, reliable=True)
"""The `/diagnostics` topic, as the aggregator reads it."""
