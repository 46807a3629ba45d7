# SPDX-License-Identifier: Apache-2.0
"""Twists of the tip for MoveIt Servo: what a policy of kind `ee_delta` drives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.publisher import Publisher

from quantvla_ros.control.chunk_check import MAX_ACTION
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.twist import TwistLimits, joined, limited_twist, twist_axes
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.conversion import seconds_to_stamp
from quantvla_ros.nodes.gripper import Gripper
from quantvla_ros.nodes.moveit_servo import MoveItServo
from quantvla_ros.robot.action_space import TWIST_NAMES
from quantvla_ros.robot.interface import Interface
from quantvla_ros.serving.input_types import JointSample
from quantvla_ros.serving.servo_check import SERVO_TIMEOUT_S

HALT_S = 0.3
"""How long a stop is repeated: longer than `SERVO_TIMEOUT_S`."""
_AXES = len(TWIST_NAMES)


@dataclass(frozen=True)
class TwistOutput:
    """Where twists go.

    Attributes:
        publisher: of TwistStamped.
        frame: whose axes the twists are given along.
        period_s: of the control tick.
        servo: that receives them, or None.
    """

    publisher: Publisher
    frame: str
    period_s: float
    servo: MoveItServo | None = None


class TwistDrive:
    """Six axes of the tip, and the gripper's joint if the policy has one."""

    longest_gap_s = SERVO_TIMEOUT_S
    timed = False

    def __init__(
        self,
        interface: Interface,
        limits: TwistLimits,
        gripper_limits: JointLimits,
        grippers: Sequence[Gripper],
        output: TwistOutput,
    ) -> None:
        """Take what there is to drive.

        Args:
            interface: of the bundle.
            limits: of the tip.
            gripper_limits: of the gripper's joint, of no joint without one.
            grippers: where the gripper's command goes: one or none.
            output: where the twists go.
        """
        self.limits = joined(twist_axes(TWIST_NAMES, limits), gripper_limits)
        speeds = np.arange(len(self.limits.names)) < _AXES
        self.speeds: NDArray[np.bool_] | None = speeds
        self.watched = ~speeds
        for gripper in grippers:
            self.watched[_AXES:] = gripper.watched
        self._publisher = output.publisher
        self.publishers: tuple[Publisher, ...] = (
            output.publisher, *(own for gripper in grippers for own in gripper.publishers)
        )  # fmt: skip
        self._twist_limits = limits
        # A policy may put out the way of one step in place of a velocity.
        self._step_s = 1.0 if interface.action.units[0] == "m/s" else interface.dt
        self._observed = [interface.state.names.index(name) for name in gripper_limits.names]
        self._frame = output.frame
        self.grippers = grippers
        self._servo = output.servo
        self._halts = max(2, round(HALT_S / output.period_s))
        self._left = 0

    def points(self, actions: FloatArray) -> FloatArray:
        """Twists within limits, and the gripper's positions; a damaged chunk as it is."""
        if actions.ndim != 2 or actions.shape[1] != len(self.limits.names):
            return actions
        if not (np.abs(actions) <= MAX_ACTION).all():
            return actions
        twists = limited_twist(actions[:, :_AXES] / self._step_s, self._twist_limits)
        return np.concatenate([twists, actions[:, _AXES:]], axis=1)

    def actions(self, points: FloatArray) -> FloatArray:
        """Twists in the policy's units, and the gripper's positions."""
        return np.concatenate([points[:, :_AXES] * self._step_s, points[:, _AXES:]], axis=1)

    def measured(self, sample: JointSample) -> tuple[FloatArray, FloatArray]:
        """The gripper's joint; the tip rests, as far as is known."""
        position, velocity = np.zeros((2, len(self.limits.names)))
        position[_AXES:] = sample.positions[self._observed]
        velocity[_AXES:] = sample.velocities[self._observed]
        return position, velocity

    def begin(self) -> None:
        """Forget zero twists, and where the gripper was to end."""
        self._left = 0
        for gripper in self.grippers:
            gripper.begin()

    def before_arming(self) -> None:
        """Tell Servo to take twists, where that is wanted."""
        if self._servo is not None:
            self._servo.take_twists()

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the twist of the tick, and the gripper's command."""
        told = window.now.position[0, :_AXES]
        twist = self._message(window.stamp, limited_twist(told, self._twist_limits))
        grips = [gripper.prepared(window, _AXES) for gripper in self.grippers]
        self._left = self._halts

        def publish() -> None:
            self._publisher.publish(twist)
            for grip in grips:
                grip()

        return publish

    def idle(self, now: float) -> bool:
        """Say a few times that the tip is to stand still, and once where the gripper ends."""
        told = all([gripper.settle() for gripper in self.grippers])
        if self._left > 0:
            self._left -= 1
            self._publisher.publish(self._message(now, np.zeros(_AXES)))
        return told and self._left == 0

    def _message(self, stamp: float, twist: FloatArray) -> TwistStamped:
        message = TwistStamped()
        message.header.stamp = seconds_to_stamp(stamp)
        message.header.frame_id = self._frame
        values = twist.tolist()
        for part, first in ((message.twist.linear, 0), (message.twist.angular, 3)):
            part.x, part.y, part.z = values[first : first + 3]
        return message
