# SPDX-License-Identifier: Apache-2.0
"""Rolling latency of inference: how early the next chunk must be asked for."""

from __future__ import annotations

from collections import deque

import numpy as np


class LatencyTracker:
    """95th percentile of the latest latencies (s), warm-up excluded."""

    def __init__(self, initial_s: float, size: int = 64, warmup: int = 1) -> None:
        """Take what to assume before any measurement, and how many first ones not to count."""
        self._initial_s = initial_s
        self._left_to_skip = warmup
        self._latest: deque[float] = deque(maxlen=size)

    def note(self, seconds: float) -> None:
        """Add one measured latency."""
        if self._left_to_skip > 0:
            self._left_to_skip -= 1
            return
        self._latest.append(seconds)

    @property
    def p95(self) -> float:
        """The percentile, by the nearest higher measurement."""
        if not self._latest:
            return self._initial_s
        return float(np.percentile(np.array(self._latest), 95, method="higher"))
