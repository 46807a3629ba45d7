# SPDX-License-Identifier: Apache-2.0
"""Compare the ROS clock with the steady clock: it may stand still, go back, or jump ahead."""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE_S = 0.1
"""A step back by less (a clock being disciplined) only makes the motion wait."""


@dataclass(frozen=True)
class ClockJump:
    """What the ROS clock did, in words, and whether it went back."""

    text: str
    backwards: bool


class ClockWatch:
    """Checked at every control tick."""

    def __init__(self) -> None:
        """Start unset; call ``start`` before ``check``."""
        self._now = 0.0
        self._steady = 0.0

    def start(self, now: float, steady: float) -> None:
        """Take both clocks' times (s) as the beginning."""
        self._now = now
        self._steady = steady

    def still(self, steady: float) -> float:
        """Return for how long (s) the ROS clock has not advanced at steady time ``steady``."""
        return steady - self._steady

    def check(self, now: float, steady: float, timeout_s: float) -> ClockJump | None:
        """Return what is wrong at ROS time ``now`` and steady time ``steady`` (s), or None."""
        advance = now - self._now
        waited = steady - self._steady
        if -TOLERANCE_S < advance <= 0.0:
            if waited > timeout_s:
                return ClockJump(f"the ROS clock has stood still for {waited:.1f} s", False)
            return None
        self._now = now
        self._steady = steady
        if advance < 0.0:
            return ClockJump(f"the ROS clock went back by {-advance:.3f} s", True)
        if advance - waited > timeout_s:
            return ClockJump(f"the ROS clock jumped ahead by {advance:.1f} s", False)
        return None
