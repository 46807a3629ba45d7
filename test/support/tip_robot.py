# SPDX-License-Identifier: Apache-2.0
"""A robot that takes twists of its tip, and a bundle that gives them."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from geometry_msgs.msg import TwistStamped
from support.fake_robot import JOINTS
from support.gripper_robot import EVERY, GripperRobot
from support.policy_graph import HORIZON, manifest, write_bundle
from support.spaces import GRIPPER, action_space, twist

from quantvla_ros.bundle.schema import Normalization
from quantvla_ros.nodes.twist_drive import SERVO_TIMEOUT_S
from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.serving.stamps import seconds_of

LINEAR, ANGULAR = 0.3, 1.2  # m/s^2, rad/s^2: so low that a stop without a ramp shows
PARAMETERS = (
    "backend:=cruising",
    "gripper_type:=forward_command",
    f"max_linear_acceleration:={LINEAR}",
    f"max_angular_acceleration:={ANGULAR}",
)
LIMITS = np.repeat([LINEAR, ANGULAR], 3)
BASE = "l0"

Twists = list[tuple[float, np.ndarray]]


def tip_action() -> ActionSpace:
    """Twists of the tip and the finger's position."""
    return action_space(*twist(), (GRIPPER, "rad", JOINTS[-1:]))


def write_tip_bundle(path: Path) -> Path:
    """A policy of kind `ee_delta`; its code is in fake_policies."""
    action = tip_action()
    width = len(action.names)
    plain = manifest()
    normalization = Normalization(
        state_mean=plain.normalization.state_mean,
        state_std=plain.normalization.state_std,
        action_mean=[[0.0] * width] * HORIZON,
        action_std=[[1.0] * width] * HORIZON,
    )
    interface = replace(plain.interface, action=action)
    return write_bundle(path, interface=interface, normalization=normalization)


class TipRobot(GripperRobot):
    """Notes every twist with its stamp (s); its arm's joints stay where they are."""

    def __init__(self) -> None:
        self.twists: Twists = []
        self.frames: set[str] = set()
        super().__init__()
        self.node.create_subscription(TwistStamped, "twist", self._on_twist, EVERY)
        self.executor.wake()

    def forget(self) -> None:
        super().forget()
        self.twists.clear()

    @property
    def speed(self) -> float:
        """Of the newest twist, m/s."""
        return float(np.linalg.norm(self.twists[-1][1][:3])) if self.twists else 0.0

    @property
    def at_rest(self) -> bool:
        return self.speed == 0.0

    def assert_stopped(self) -> None:
        """The last twists are zeros, for longer than Servo would go on without them."""
        zeros = list(itertools.takewhile(lambda t: not t[1].any(), reversed(self.twists)))
        assert len(zeros) < len(self.twists), "nothing moved"
        assert len(zeros) >= 5
        assert zeros[0][0] - zeros[-1][0] > SERVO_TIMEOUT_S

    def assert_within_limits(self) -> None:
        """Each twist is within reach of the one before it, and each motion begins at zero."""
        assert self.frames == {BASE}
        assert_within_reach(list(self.twists))

    def _on_twist(self, message: TwistStamped) -> None:
        linear, angular = message.twist.linear, message.twist.angular
        twist = np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])
        self.frames.add(message.header.frame_id)
        self.twists.append((seconds_of(message.header.stamp), twist))
        self._heard = time.monotonic()


def assert_within_reach(twists: Twists) -> None:
    """This is judged by the twists' own times, not by when they came."""
    assert not twists[0][1].any()
    for (t0, v0), (t1, v1) in itertools.pairwise(twists):
        span = t1 - t0
        assert span >= 0
        if span > SERVO_TIMEOUT_S and not v1.any():
            continue  # Servo has stopped by itself meanwhile, and the node begins at zero
        assert span < 1.0, "a motion began above zero"
        assert (np.abs(v1 - v0) <= LIMITS * span * 1.001 + 1e-6).all(), (t0, v0, t1, v1)
