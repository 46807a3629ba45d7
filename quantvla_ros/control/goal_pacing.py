# SPDX-License-Identifier: Apache-2.0
"""Decides when a gripper that takes goals, not a stream of positions, gets a new goal."""

from __future__ import annotations

DEADBAND_SHARE = 0.02
"""A change of the wished position by less than this share of the joint's range is not worth a goal
while the wish still moves, or trembles."""
STILL_S = 0.3
"""A wish that has stayed where it is for so long is told exactly, however small the change is."""
_SAME_SHARE = 0.01  # of the deadband: no change


class GoalPacer:
    """Goals follow the wished position: at each real change, and no more often than allowed.

    The first wish of a motion is where the gripper was measured. It is no change, so no goal is
    sent: a gripper that holds something keeps its grip until the policy wants another position.
    Times are s of the steady clock, positions m or rad.
    """

    def __init__(self, joint_range: float, period_s: float) -> None:
        """Take the range of the joint's positions, and the shortest time between two goals."""
        self._deadband = DEADBAND_SHARE * joint_range
        self._period = period_s
        self.begin()

    def begin(self) -> None:
        """Forget the motion before."""
        self._last: float | None = None
        self._told_at = float("-inf")
        self._wish = float("nan")
        self._since = float("-inf")

    def due(self, wish: float, now: float) -> bool:
        """Note the wish and return whether a goal is worth sending now."""
        if self._last is None:
            self._last = wish
        if not abs(wish - self._wish) <= _SAME_SHARE * self._deadband:
            self._wish, self._since = wish, now
        if now - self._told_at < self._period:
            return False
        moved = abs(wish - self._last) > self._deadband
        return moved or (self.differs(wish) and now - self._since >= STILL_S)

    def differs(self, wish: float) -> bool:
        """Whether the wished position differs from the goal sent last."""
        return self._last is not None and abs(wish - self._last) > _SAME_SHARE * self._deadband

    def told(self, wish: float, now: float) -> None:
        """Note that a goal with this position was sent."""
        self._last, self._told_at = wish, now
