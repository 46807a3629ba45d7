# SPDX-License-Identifier: Apache-2.0
"""Rolling latency of inference: how early the next chunk must be asked for."""

from __future__ import annotations

import math
from collections import deque


class LatencyTracker:
    """95th percentile of the latest latencies (s), warm-up excluded.

    Attributes:
        p95: the percentile, by the nearest higher measurement.
    """

    def __init__(self, initial_s: float, size: int = 64, warmup: int = 1) -> None:
        """Take what to assume before any measurement, and how many first ones not to count."""
        self.p95 = initial_s
        self._left_to_skip = warmup
        self._latest: deque[float] = deque(maxlen=size)

    def note(self, seconds: float) -> None:
        """Add one measured latency."""
        if self._left_to_skip > 0:
            self._left_to_skip -= 1
            return
        self._latest.append(seconds)
        # Here, not when it is asked for, which is many times as often.
        self.p95 = sorted(self._latest)[math.ceil(0.95 * (len(self._latest) - 1))]
