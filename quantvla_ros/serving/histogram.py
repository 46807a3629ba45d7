# SPDX-License-Identifier: Apache-2.0
"""How long the stages of the node take: counts in fixed classes, cheap to keep for hours."""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Upper ends of the classes; what takes longer is in one class more."""


class Histogram:
    """Counts of durations."""

    def __init__(self) -> None:
        """Begin empty."""
        self.counts = [0] * (len(BOUNDS_MS) + 1)
        self.last_ms = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BOUNDS_MS, milliseconds)] += 1
        self.last_ms = milliseconds

    def text(self) -> str:
        """The classes that hold something, such as "0.2:3 0.5:40 >1000:1" (ms: count)."""
        names = [*(f"{bound:g}" for bound in BOUNDS_MS), f">{BOUNDS_MS[-1]:g}"]
        return " ".join(f"{n}:{c}" for n, c in zip(names, self.counts, strict=True) if c)
