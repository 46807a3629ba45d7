# SPDX-License-Identifier: Apache-2.0
"""Two arms of one joint, each with a controller and with a gripper that has one of its own."""

from __future__ import annotations

import numpy as np
from std_msgs.msg import Float64MultiArray
from support.fake_robot import FakeRobot
from support.gripper_robot import EVERY
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.nodes.qos import COMMAND
from simulation.trajectory_controller import TrajectoryController

JOINTS = ("left_joint", "left_finger", "right_joint", "right_finger")


class TwoArms(FakeRobot):
    """Notes the windows of its right arm apart."""

    joints = JOINTS
    arm = JOINTS[:1]
    trajectories = "left/joint_trajectory"

    def __init__(self) -> None:
        self.right_windows: list[JointTrajectory] = []
        self.grips: dict[str, list[float]] = {"left": [], "right": []}
        self._right = TrajectoryController(JOINTS[2:3], np.zeros(1), rate_hz=100.0)
        super().__init__()
        self.node.create_subscription(
            JointTrajectory, "right/joint_trajectory", self._on_right, COMMAND
        )
        for side in self.grips:
            self.node.create_subscription(
                Float64MultiArray, f"{side}/gripper/commands", self._on_grip(side), EVERY
            )
        self.executor.wake()

    def _on_right(self, message: JointTrajectory) -> None:
        with self._lock:
            self.right_windows.append(message)
            self._take(message, self._right)

    def _on_grip(self, side: str):
        return lambda message: self.grips[side].append(message.data[0])

    def _sample(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        (left, left_speed), (right, right_speed) = (
            controller.update(now) for controller in (self._controller, self._right)
        )
        hands = [self.grips[side][-1] if self.grips[side] else 0.0 for side in ("left", "right")]
        positions = np.array([left[0], hands[0], right[0], hands[1]])
        return positions, np.array([left_speed[0], 0.0, right_speed[0], 0.0])
