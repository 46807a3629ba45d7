# SPDX-License-Identifier: Apache-2.0
"""What MoveIt Servo does with twists (`TwistStamped`, command type TWIST), without ROS.

Differences from MoveIt Servo: damped least squares stands for its pseudo-inverse with a
slow-down near singularities, a limit on joint acceleration for its smoothing plugin, and only
the base and the tip are known as frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TipKinematics = Callable[[Array], tuple[Array, Array]]
"""Joint positions [n] -> Jacobian of the tip [6, n] (linear m/s, angular rad/s, along the base's
axes) and rotation of the tip in the base frame [3, 3]."""

COMMAND_TIMEOUT_S = 0.1
LIMIT_MARGIN_RAD = 0.1
_DAMPING = 0.02


@dataclass(frozen=True)
class ServoLimits:
    """Limits of the arm's joints, each [n].

    Attributes:
        lower: rad.
        upper: rad.
        velocity: rad/s.
        acceleration: rad/s^2, how hard the servo speeds up and halts.
    """

    lower: Array
    upper: Array
    velocity: Array
    acceleration: Array


@dataclass(frozen=True)
class _Command:
    twist: Array
    in_tip_frame: bool
    stamp: float


class TwistServo:
    """Moves the tip with the velocity that was sent last.

    A command whose stamp is `COMMAND_TIMEOUT_S` old or older halts the arm smoothly. An unstamped
    one (stamp 0) is such a command: it moves nothing and nobody is told.
    """

    def __init__(
        self, limits: ServoLimits, tip_kinematics: TipKinematics, base_frame: str, tip_frame: str
    ) -> None:
        """Start inactive."""
        self._limits = limits
        self._tip_kinematics = tip_kinematics
        self._frames = {base_frame: False, tip_frame: True}
        self._command: _Command | None = None
        self._positions = np.zeros_like(limits.lower)
        self._velocities = np.zeros_like(limits.lower)
        self.active = False

    def submit(
        self, twist: Array, frame: str, stamp: float, now: float, positions: Array
    ) -> str | None:
        """Take a twist or refuse it; a refused one halts the arm as a stale one does.

        Args:
            twist: linear velocity of the tip, m/s, and angular velocity, rad/s: [6].
            frame: whose axes the twist is given along: the base frame or the tip frame.
            stamp: when it was sent, s.
            now: s of the same clock.
            positions: setpoint to start from [n], rad, if the servo is inactive.

        Returns:
            None, or the reason why it was refused.
        """
        self._command = None
        if frame not in self._frames:
            return f"the frame '{frame}' is none of {', '.join(self._frames)}"
        if not np.isfinite(twist).all():
            return "the twist is not finite"
        command = _Command(np.array(twist, dtype=np.float64), self._frames[frame], stamp)
        if _stale(command, now):
            return None
        self._command = command
        if not self.active:
            self._positions = np.array(positions, dtype=np.float64)
            self._velocities = np.zeros_like(self._positions)
            self.active = True
        return None

    def stop(self) -> None:
        """Let go of the arm at once: another source commands it now."""
        self._command = None
        self.active = False

    def step(self, now: float, period: float) -> Array:
        """Return the joint positions [n], rad, `period` seconds after the last ones.

        Becomes inactive when the command is stale and the arm has come to rest.
        """
        limits = self._limits
        if self._command is not None and _stale(self._command, now):
            self._command = None
        target = self._target_velocities()
        change = target - self._velocities
        fraction = np.abs(change) / (limits.acceleration * period)
        self._velocities = self._velocities + change / max(1.0, float(fraction.max()))
        self._positions = self._positions + self._velocities * period
        if self._command is None and not self._velocities.any():
            self.active = False
        result: Array = self._positions.copy()
        return result

    def _target_velocities(self) -> Array:
        at_rest = np.zeros_like(self._positions)
        if self._command is None:
            return at_rest
        jacobian, tip_rotation = self._tip_kinematics(self._positions)
        twist = self._command.twist
        if self._command.in_tip_frame:
            twist = np.concatenate([tip_rotation @ twist[:3], tip_rotation @ twist[3:]])
        damped = jacobian @ jacobian.T + _DAMPING**2 * np.eye(6)
        target: Array = jacobian.T @ np.linalg.solve(damped, twist)
        limits = self._limits
        target /= max(1.0, float((np.abs(target) / limits.velocity).max()))
        # As MoveIt Servo does by default, one joint at its margin halts them all. Braking takes
        # room: the position where the joint would come to rest is what counts.
        rest = self._positions + self._velocities * np.abs(self._velocities) / (
            2 * limits.acceleration
        )
        leaves = ((rest > limits.upper - LIMIT_MARGIN_RAD) & (target > 0)) | (
            (rest < limits.lower + LIMIT_MARGIN_RAD) & (target < 0)
        )
        return at_rest if leaves.any() else target


def _stale(command: _Command, now: float) -> bool:
    return now - command.stamp > COMMAND_TIMEOUT_S - 1e-9  # stamps are rounded floats
