# SPDX-License-Identifier: Apache-2.0
"""The measured state of the joints, which a motion may begin from when it is fresh and at rest."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.turns import nearest_turn
from quantvla_ros.errors import QuantVLAError


class MeasuredJoints:
    """Keeps the newest measured state."""

    def __init__(self, limits: JointLimits) -> None:
        """Take the joints' limits, whose order the states have."""
        self._limits = limits
        self._newest: tuple[float, FloatArray, FloatArray] | None = None

    def note(self, stamp: float, positions: FloatArray, velocities: FloatArray) -> None:
        """Note a state, [n] each; a velocity may be NaN: not known. Others are to be finite."""
        if np.isfinite(positions).all() and not np.isinf(velocities).any():
            self._newest = (
                stamp,
                np.array(positions, dtype=np.float64),
                np.array(velocities, dtype=np.float64),
            )

    @property
    def position(self) -> FloatArray | None:
        """The newest measured position [n], None for none."""
        return None if self._newest is None else self._newest[1]

    def forget(self) -> None:
        """Forget it: its time means nothing any more."""
        self._newest = None

    def to_hold(self, commanded: FloatArray, now: float, config: MotionConfig) -> FloatArray | None:
        """Where [n] an arm that was commanded to be at ``commanded`` [n] can hold at once.

        That is there, so that a gripper keeps its grip, but for a joint that cannot get there
        within ``blend_s``: it holds where it is measured. None without a fresh joint state.
        """
        if self._newest is None or abs(now - self._newest[0]) > config.joint_state_age_s:
            return None
        position = self._newest[1]
        commanded = nearest_turn(commanded, position, self._limits.continuous)
        near = np.abs(commanded - position) <= config.blend_s * self._limits.velocity
        return np.where(near, commanded, position)

    def at_rest(self, now: float, config: MotionConfig) -> FloatArray:
        """The fresh measured position [n].

        Raises:
            QuantVLAError: there is none, it is old, or the robot moves or may move; the sentence
                says that arming is refused.
        """
        if self._newest is None:
            raise QuantVLAError("cannot arm: no joint state has arrived; check /joint_states")
        stamp, position, velocity = self._newest
        if now - stamp > config.joint_state_age_s:
            raise QuantVLAError(
                f"cannot arm: the last joint state is {now - stamp:.2f} s old; check /joint_states"
            )
        unknown = np.isnan(velocity)
        if unknown.any():
            name = self._limits.names[int(np.argmax(unknown))]
            raise QuantVLAError(
                f"cannot arm: the velocity of joint '{name}' is not known yet; try again"
            )
        moving = np.abs(velocity) > config.rest_velocity_share * self._limits.velocity
        if moving.any():
            name = self._limits.names[int(np.argmax(moving))]
            raise QuantVLAError(f"cannot arm: joint '{name}' is moving; wait until the arm rests")
        return position
