# SPDX-License-Identifier: Apache-2.0
"""Joint states of a stream put together, as long as they come from one source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.sources import JointSource
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.joint_reading import read_joints
from quantvla_ros.control.joint_sources import QUIET_S, JointSources
from quantvla_ros.control.observed import ObservedJoints

STAMP_MARGIN_S = 0.02
"""How far stamps may be wrong before a joint that moves at its velocity limit seems to jump."""
QUIET_NS = round(QUIET_S * 1e9)
"""So long before a jump, and after it, no joint state is used."""
_REASONS = {
    "wrong_width": "joint states without a position for each name",
    "named_twice": "joint states that name a joint twice",
    "not_finite": "joint states not finite",
    FaultCode.JOINT_STATE_CONFLICT: "joint states of two publishers",
    FaultCode.JOINT_JUMP: "joint states that jump",
}


@dataclass(frozen=True)
class JointSample:
    """The configured joints, float64: positions (rad, m), velocities (per s; NaN: not known)."""

    position: NDArray[np.float64]
    velocity: NDArray[np.float64]


class JointStream:
    """Messages that may hold some joints each, to samples of all of them.

    A robot description is not at hand, so the configuration says how fast a joint can move, and
    each joint may be a continuous one: a whole turn is no jump.

    Attributes:
        trouble: why positions were not trusted, the first time; empty when they all were.
        jumping: whether a joint jumped to where the last message says it is.
    """

    def __init__(self, source: JointSource) -> None:
        count = len(source.names)
        self._index = {name: i for i, name in enumerate(source.names)}
        self._sources = JointSources(source.names)
        self._sources.know(
            ObservedJoints(
                tuple(source.names), np.full(count, source.max_velocity), np.ones(count, np.bool_)
            )
        )
        self.trouble, self.jumping = "", False
        self.forget()

    def forget(self) -> None:
        """Begin again: other messages follow."""
        self._sources.forget()
        self._begin()

    def _begin(self) -> None:
        count = len(self._index)
        self._stamps = np.full(count, -1, np.int64)
        self._position, self._velocity = np.zeros(count), np.full(count, np.nan)

    def distrust(self, stamp: int, state: Any, number: int | None, clock: int) -> str:
        """Look at a message, in order or not; return why it is not used, empty when it may be.

        Args:
            stamp: of the message, ns.
            state: the JointState, decoded.
            number: that its publisher gave it; None where that is not known.
            clock: newest stamp of the stream, ns.
        """
        self._reading = read_joints(self._index, state.name, state.position, state.velocity)
        self.jumping = False
        if isinstance(self._reading, str):
            return _REASONS[self._reading]
        now = 1e-9 * clock
        self.jumping = self._sources.look(1e-9 * stamp, self._reading, number, STAMP_MARGIN_S, now)
        if self.jumping:
            self._begin()
        for code, text in self._sources.conditions(now):
            self.trouble = self.trouble or text
            return _REASONS[code]
        return ""

    def take(self, stamp: int) -> tuple[int, JointSample] | None:
        """Use the message that was looked at last; return the sample of all joints, if there is.

        A sample is as old as its oldest joint (ns).
        """
        assert not isinstance(self._reading, str)
        for joint, position, velocity in zip(*self._reading, strict=True):
            self._stamps[joint] = stamp
            self._position[joint], self._velocity[joint] = position, velocity
        oldest = int(self._stamps.min())
        if oldest < 0:
            return None
        return oldest, JointSample(self._position.copy(), self._velocity.copy())
