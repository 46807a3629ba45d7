# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from studies.ablation.bootstrap import RESAMPLED, mean_interval, ratio_interval


def test_intervals_are_percentiles_of_resampled_means():
    rng = np.random.default_rng(5)
    before = rng.gamma(2.0, 1.0, 70)
    after = before * rng.uniform(0.5, 1.5, 70)
    drawn = np.random.default_rng(1).integers(0, 70, (RESAMPLED, 70))
    first, second = before[drawn].mean(axis=1), after[drawn].mean(axis=1)
    ends = [0.025, 0.975]
    assert mean_interval(before) == pytest.approx(np.quantile(first, ends))
    assert ratio_interval(before, after) == pytest.approx(np.quantile(second / first, ends))
