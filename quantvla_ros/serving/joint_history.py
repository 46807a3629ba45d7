# SPDX-License-Identifier: Apache-2.0
"""Recent joint states, put together from messages that may hold some joints each."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from quantvla_ros.control.joint_reading import read_joints
from quantvla_ros.control.joint_sources import JointSources
from quantvla_ros.control.observed import ObservedJoints
from quantvla_ros.control.turns import TURN
from quantvla_ros.serving.input_types import FloatArray, JointSample
from quantvla_ros.serving.stamps import unfit_stamp

HISTORY_S = 2.0
"""Joint states are kept this long, so that one of a frame's own time can be found."""

BASELINE_S = 0.05
"""Positions so far apart give a velocity that an encoder's steps do not spoil."""
PAUSE_S = 1.0
"""After so long the positions before say nothing of a velocity."""


class _Mark(NamedTuple):
    stamp: float
    position: float


_NEVER = _Mark(-math.inf, math.nan)
_UNKNOWN = (_NEVER, _NEVER)


class JointMessage(NamedTuple):
    """A message of joint states.

    Attributes:
        stamp: s.
        names: of its joints.
        positions: rad or m.
        velocities: rad/s or m/s; may be empty.
        number: that its publisher gave it; None where that is not known.
    """

    stamp: float
    names: Sequence[str]
    positions: Sequence[float]
    velocities: Sequence[float]
    number: int | None = None


class JointHistory:
    """Complete joint states of the last two seconds.

    Drivers may publish some joints in one message and the others in another (arm and gripper):
    a sample is complete when every joint has come, and as old as its oldest joint. Not safe for
    threads: its owner holds a lock.
    """

    def __init__(self, joints: Sequence[str]) -> None:
        """Make an empty history of these joints (in the policy's order)."""
        self._joints = tuple(joints)
        self._index = {name: i for i, name in enumerate(joints)}
        self._stamps = np.full(len(joints), -math.inf)
        self._positions = np.zeros(len(joints))
        self._velocities = np.zeros(len(joints))
        self._marks = [_UNKNOWN] * len(joints)
        self._samples: deque[JointSample] = deque()
        self._continuous = [False] * len(joints)
        self.sources = JointSources(joints)
        self.names_seen: set[str] = set()

    def know(self, observed: ObservedJoints, distances: FloatArray | None = None) -> None:
        """Take what the robot description says of the joints; from now on jumps are found.

        ``distances`` as of `JumpWatch`.
        """
        self._continuous = observed.continuous.tolist()
        self.sources.know(observed, distances)

    @property
    def newest(self) -> JointSample | None:
        """The newest complete sample."""
        return self._samples[-1] if self._samples else None

    def nearest(self, stamp: float) -> JointSample:
        """The sample nearest to a time, s; there must be one."""
        return min(self._samples, key=lambda sample: abs(sample.stamp - stamp))

    def add(
        self, message: JointMessage, now: float, future: float, jump: float = math.inf
    ) -> JointSample | str | None:
        """Take one message, whatever its order of joints; see `read_joints`.

        A velocity that is missing or not finite is the difference of positions over `BASELINE_S`
        or a little more; NaN until so much is known, and after a pause.

        Args:
            message: with any joints.
            now: ROS clock, s.
            future: how far the stamp may be ahead of it, s.
            jump: see `Gates`.

        Returns:
            The completed sample; why the message cannot be used, a key of `TROUBLES`; None while
            joints are missing and for a message of other joints.
        """
        stamp = message.stamp
        self.names_seen.update(message.names)
        reading = read_joints(self._index, message.names, message.positions, message.velocities)
        if isinstance(reading, str):
            return reading
        if not reading.joints:
            return None
        newest = max(float(self._stamps[joint]) for joint in reading.joints)
        reason = unfit_stamp(stamp, newest, now, future)
        if reason not in ("zero_stamp", "future_stamp") and self.sources.look(
            stamp, reading, message.number, jump, now
        ):
            return "jumped"
        if reason:
            return reason
        for joint, position, velocity in zip(*reading, strict=True):
            self._stamps[joint] = stamp
            self._positions[joint] = position
            difference = self._difference(joint, stamp, position)
            self._velocities[joint] = difference if math.isnan(velocity) else velocity
        return self._complete()

    def _difference(self, joint: int, stamp: float, position: float) -> float:
        """Velocity of one joint since the older one of its two marks."""
        older, newer = self._marks[joint]
        if not 0.0 <= stamp - newer.stamp < PAUSE_S:
            older, newer = _NEVER, _Mark(stamp, position)
        elif stamp - newer.stamp >= BASELINE_S:
            older, newer = newer, _Mark(stamp, position)
        self._marks[joint] = older, newer
        moved = position - older.position
        if self._continuous[joint] and math.isfinite(moved):
            moved = math.remainder(moved, TURN)  # an encoder that begins again after a turn
        return moved / (stamp - older.stamp)

    def _complete(self) -> JointSample | None:
        oldest = float(self._stamps.min())
        if not math.isfinite(oldest):
            return None
        newest_before = self._samples[-1].stamp if self._samples else -math.inf
        if oldest < newest_before:  # the robot's clock was set back
            self._samples.clear()
        elif oldest == newest_before:
            return None
        sample = JointSample(oldest, self._positions.copy(), self._velocities.copy())
        self._samples.append(sample)
        while self._samples[0].stamp < oldest - HISTORY_S:
            self._samples.popleft()
        return sample

    def lagging(self) -> str:
        """The joint that newer messages leave out; empty when none is."""
        oldest = int(self._stamps.argmin())
        return self._joints[oldest] if self._stamps[oldest] < self._stamps.max() else ""

    def clear(self) -> None:
        """Forget every position."""
        self._samples.clear()
        self.sources.forget()
        self._stamps[:] = -math.inf
        self._marks = [_UNKNOWN] * len(self._joints)
