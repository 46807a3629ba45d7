# SPDX-License-Identifier: Apache-2.0
"""Compare the ROS clock with the steady clock: it may stand still, go back, or jump ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass

FASTEST_SIMULATION = 10.0
"""A simulation's clock may run so much faster than the steady clock."""
LARGEST_STEP_BACK_S = 0.02
"""A system's clock may go back by so much: the commands wait, and a controller would wait longer
for their first point than it can bridge smoothly."""


@dataclass(frozen=True)
class ClockFault:
    """What the ROS clock did, in words, and whether times before and after it have no relation."""

    text: str
    jumped: bool


class ClockWatch:
    """Checked at every control tick."""

    def __init__(self, simulated: bool) -> None:
        """Start unset; call ``start`` before ``check``.

        Args:
            simulated: whether the ROS clock comes from ``/clock``.
        """
        self._fastest = FASTEST_SIMULATION if simulated else 1.0
        self._back_s = math.inf if simulated else LARGEST_STEP_BACK_S
        self._now = 0.0
        self._steady = 0.0

    def start(self, now: float, steady: float) -> None:
        """Take both clocks' times (s) as the beginning."""
        self._now = now
        self._steady = steady

    def still(self, steady: float) -> float:
        """Return for how long (s) the ROS clock has not advanced at steady time ``steady``."""
        return steady - self._steady

    def check(
        self, now: float, steady: float, timeout_s: float, step_s: float
    ) -> ClockFault | None:
        """Return what is wrong with the ROS clock, once for each jump.

        Args:
            now: ROS clock, s.
            steady: steady clock, s.
            timeout_s: how long the ROS clock may stand still.
            step_s: how far it may go back (the motion then waits; without a simulation
                `LARGEST_STEP_BACK_S` at most) or jump ahead.
        """
        advance = now - self._now
        waited = steady - self._steady
        jumped = self._jumped(advance, waited, step_s)
        if advance <= 0.0 and not jumped:
            if waited > timeout_s:
                return ClockFault(f"the ROS clock has stood still for {waited:.1f} s", False)
            return None
        self._now = now
        self._steady = steady
        if jumped:
            way = "went back" if advance < 0.0 else "jumped ahead"
            return ClockFault(f"the ROS clock {way} by {abs(advance):.3f} s", True)
        return None

    def trusted(self, now: float, steady: float, step_s: float) -> float:
        """Return ``now``, or the last checked time (s) where the next check will find a jump.

        For callers between two ticks: a time of a far future must not reach the motion, which
        never goes back, before the tick that tells it that the clock jumped.
        """
        jumped = self._jumped(now - self._now, steady - self._steady, step_s)
        return self._now if jumped else now

    def _jumped(self, advance: float, waited: float, step_s: float) -> bool:
        back, ahead = min(step_s, self._back_s), self._fastest * waited + step_s
        return not -back <= advance <= ahead
