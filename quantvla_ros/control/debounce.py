# SPDX-License-Identifier: Apache-2.0
"""How long a condition has held: without a break, or in sum within the last seconds."""

from __future__ import annotations

from collections import deque


class HeldFor:
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


class ActiveTime:
    """For how much of the last ``window_s`` a condition held; times in s of any one clock."""

    def __init__(self, window_s: float) -> None:
        """Take how far back to look (s)."""
        self._window_s = window_s
        self._held: deque[tuple[float, float]] = deque()
        self._last: float | None = None
        self._total = 0.0

    def update(self, holds: bool, now: float) -> float:
        """Note whether it has held since the last note; return for how much (s) of the window."""
        if self._last is not None and now < self._last:
            self.forget()
        since = 0.0 if self._last is None else now - self._last
        self._last = now
        if holds and since > 0.0:
            self._held.append((now, since))
            self._total += since
        while self._held and self._held[0][0] <= now - self._window_s:
            self._total -= self._held.popleft()[1]
        return self._total

    def forget(self) -> None:
        """Begin again."""
        self._held.clear()
        self._last = None
        self._total = 0.0
