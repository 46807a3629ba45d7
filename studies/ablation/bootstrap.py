# SPDX-License-Identifier: Apache-2.0
"""Bootstrap intervals (percentiles) of mean errors, with the same draws every time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from calib_tools.evaluate.statistics import LEVEL

RESAMPLED = 10_000
_SEED = 1


def mean_interval(errors: Sequence[float]) -> tuple[float, float]:
    """Interval of the mean over samples."""
    return _interval(np.mean, errors)


def ratio_interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Interval of the ratio of means, the same samples drawn for both."""

    def ratio(one: Any, other: Any, axis: int) -> Any:
        return other.mean(axis) / one.mean(axis)

    return _interval(ratio, before, after)


def _interval(statistic: Callable[..., Any], *samples: Sequence[float]) -> tuple[float, float]:
    from scipy.stats import bootstrap

    found = bootstrap(
        samples, statistic, n_resamples=RESAMPLED, paired=len(samples) > 1, vectorized=True,
        confidence_level=LEVEL, method="percentile", rng=np.random.default_rng(_SEED),
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
