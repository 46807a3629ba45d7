# SPDX-License-Identifier: Apache-2.0
"""Whether the joint states come from one source, and from a robot that moves as it can.

A second publisher (a `joint_state_publisher` with its zeros beside the broadcaster) shows in two
ways. Middleware numbers the messages of each publisher, so the numbers of two fall again and again
where those of one rise; rclpy tells them from Iron on with Fast DDS. And the positions jump from
one source to the other further than a joint can move between their stamps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.joint_reading import JointReading
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.observed import ObservedJoints
from quantvla_ros.control.turns import TURN

QUIET_S = 0.5
"""Positions are trusted again when they have not jumped for so long: a second source at 2 Hz or
more is seen all the time, and the reset of a simulation's scene is over soon."""
MEMORY_S = 3.0
"""Numbers that fall twice within this time are those of two publishers. A driver that is started
again lets them fall once."""


class JumpWatch:
    """Positions that are further apart than the joint can move between their stamps.

    Each message is compared with the one before it, used or not: a second source whose stamps lie
    ahead would else have all messages of the first one skipped as too old, unseen.
    """

    def __init__(self, joints: ObservedJoints, distances: FloatArray | None = None) -> None:
        """Take the joints.

        Args:
            joints: n of them.
            distances: [n] how far (rad or m) a joint may be measured beyond what its velocity
                covers; infinite: not watched; NaN or None: what it covers in the margin.
        """
        count = len(joints.names)
        self._names = joints.names
        self._velocity = joints.velocity.tolist()
        self._continuous = joints.continuous.tolist()
        given = np.full(count, np.nan) if distances is None else distances
        self._distances = given.tolist()
        self._last = [(-math.inf, math.nan)] * count
        self._seen = -math.inf
        self._text = ""

    def look(self, stamp: float, reading: JointReading, margin_s: float, now: float) -> bool:
        """Compare a message with the one before it.

        Args:
            stamp: of the message, s; it may be older than that of the message before.
            reading: of the message.
            margin_s: how far the stamps may be wrong: drivers stamp late, bridges stamp anew.
            now: s, any clock that goes on.

        Returns:
            Whether a joint jumps.
        """
        jumps = False
        for joint, position in zip(reading.joints, reading.positions, strict=True):
            (last_stamp, last), self._last[joint] = self._last[joint], (stamp, position)
            moved = position - last
            if self._continuous[joint] and math.isfinite(moved):
                moved = math.remainder(moved, TURN)
            span = abs(stamp - last_stamp)
            if not abs(moved) > self._reach(joint, span, margin_s):
                continue
            if not self.trouble(now):  # one text as long as it lasts
                self._text = (
                    f"joint '{self._names[joint]}' is measured at {last:.2f} and at "
                    f"{position:.2f} within {span:.3f} s, further than it can move"
                )
            self._seen = now
            jumps = True
        return jumps

    def _reach(self, joint: int, span_s: float, margin_s: float) -> float:
        velocity, distance = self._velocity[joint], self._distances[joint]
        if math.isinf(velocity) or math.isinf(distance):
            return math.inf
        return float(
            velocity * span_s + (velocity * margin_s if math.isnan(distance) else distance)
        )

    def trouble(self, now: float) -> str:
        """The first of the jumps that have not been over for `QUIET_S`; empty for none."""
        return self._text if 0.0 <= now - self._seen < QUIET_S else ""


class NumberWatch:
    """Joints whose messages bear the numbers of more than one publisher."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the joints' names."""
        self._names = tuple(names)
        self._last = [-1] * len(names)
        self._fell = [-math.inf] * len(names)
        self._seen = -math.inf
        self._joint = ""

    def look(self, number: int | None, joints: Sequence[int], now: float) -> None:
        """Note which joints the message of this number names; None: it has no number."""
        if number is None:
            return
        for joint in joints:
            if number <= self._last[joint]:
                if 0.0 <= now - self._fell[joint] < MEMORY_S:
                    if not self.trouble(now):
                        self._joint = self._names[joint]
                    self._seen = now
                self._fell[joint] = now
            self._last[joint] = number

    def trouble(self, now: float) -> str:
        """Which joint two publishers have named in the last `MEMORY_S`; empty for none."""
        if not 0.0 <= now - self._seen < MEMORY_S:
            return ""
        return f"two publishers name joint '{self._joint}', end one of them"


class JointSources:
    """Both watches of the wanted joints; not safe for threads."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the joints; jumps are not watched before ``know``."""
        self._names = tuple(names)
        self._known: tuple[ObservedJoints, FloatArray | None] | None = None
        self.forget()

    def know(self, joints: ObservedJoints, distances: FloatArray | None = None) -> None:
        """Watch jumps too; see `JumpWatch`."""
        self._known = (joints, distances)
        self.forget()

    def forget(self) -> None:
        """Begin again: the clock has jumped, or other messages follow."""
        self._numbers = NumberWatch(self._names)
        self._jumps = None if self._known is None else JumpWatch(*self._known)

    def look(
        self, stamp: float, reading: JointReading, number: int | None, margin_s: float, now: float
    ) -> bool:
        """Take a message; return whether one of its joints jumps. See the watches."""
        self._numbers.look(number, reading.joints, now)
        return self._jumps is not None and self._jumps.look(stamp, reading, margin_s, now)

    def conditions(self, now: float) -> list[Condition]:
        """Why the positions cannot be trusted at ``now`` (s); empty when they can."""
        found = [(FaultCode.JOINT_STATE_CONFLICT, self._numbers.trouble(now))]
        if self._jumps is not None:
            found.append((FaultCode.JOINT_JUMP, self._jumps.trouble(now)))
        return [(code, text) for code, text in found if text]
