# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals (percentiles) of mean errors, with the same draws every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calib_tools.evaluate.statistics import LEVEL

RESAMPLED = 10_000
_SEED = 1


def mean_interval(errors: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean over samples."""
    return _interval(np.asarray(errors)[_resampled(len(errors))].mean(axis=1))


def ratio_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Interval of the ratio of means, the same samples drawn for both."""
    drawn = _resampled(len(before))
    one, other = (np.asarray(e)[drawn].mean(axis=1) for e in (before, after))
    return _interval(other / one)


def _resampled(count: int) -> NDArray[np.int64]:
    return np.random.default_rng(_SEED).integers(0, count, (RESAMPLED, count))


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
