# SPDX-License-Identifier: Apache-2.0
"""How long something has been wrong: without a break, or in all within the last seconds."""

from __future__ import annotations

from collections import deque


class Lasting:
    """How long a condition has held without a break; times in s of any one clock."""

    def __init__(self) -> None:
        """Begin with a condition that does not hold."""
        self._since: float | None = None

    def update(self, holds: bool, now: float) -> float:
        """Note whether it holds at ``now``; return for how long (s) it has."""
        if not holds:
            self._since = None
            return 0.0
        if self._since is None or self._since > now:
            self._since = now
        return now - self._since


class Recent:
    """For how much of the last ``window_s`` a condition held; it is noted at a fixed rate."""

    def __init__(self, window_s: float, period_s: float) -> None:
        """Take how far back to look and the time between two notes (s)."""
        self._notes: deque[bool] = deque(maxlen=max(1, round(window_s / period_s)))
        self._period_s = period_s
        self._count = 0

    def update(self, holds: bool) -> float:
        """Note whether it holds now; return for how much (s) of the window it has."""
        if len(self._notes) == self._notes.maxlen:
            self._count -= self._notes[0]
        self._notes.append(holds)
        self._count += holds
        return self._count * self._period_s

    def forget(self) -> None:
        """Begin again."""
        self._notes.clear()
        self._count = 0
