# SPDX-License-Identifier: Apache-2.0
"""A robot whose finger has a driver of its own, as far from physics as the fake robot."""

from __future__ import annotations

import time

import numpy as np
from rclpy.qos import QoSProfile
from std_msgs.msg import Float64MultiArray
from support.fake_robot import JOINTS, FakeRobot

FORWARDED = ("gripper_type:=forward_command", "gripper_joint:=finger")
EVERY = QoSProfile(depth=200)  # a robot needs the newest command, a test every one


class GripperRobot(FakeRobot):
    """Its finger is where its forward controller told it last to be, and in no trajectory."""

    arm = JOINTS[:-1]

    def __init__(self) -> None:
        self.grips: list[tuple[float, float]] = []  # when it came (s, steady clock), rad
        self._finger = 0.0
        super().__init__()
        self.node.create_subscription(
            Float64MultiArray, "gripper_controller/commands", self._on_grip, EVERY
        )
        self.executor.wake()

    def forget(self) -> None:
        super().forget()
        self.grips.clear()

    def _sample(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        positions, velocities = super()._sample(now)
        return np.append(positions, self._finger), np.append(velocities, 0.0)

    def _on_grip(self, message: Float64MultiArray) -> None:
        (self._finger,) = message.data
        self.grips.append((time.monotonic(), self._finger))
