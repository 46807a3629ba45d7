# SPDX-License-Identifier: Apache-2.0
"""Summary figures of many times, for the tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shares(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest of them, in their unit."""
    p50, p99, most = np.percentile(values, [50, 99, 100]).tolist()
    return {"p50": p50, "p99": p99, "max": most}
