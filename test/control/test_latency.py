# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.control.latency import LatencyTracker


def test_before_any_measurement_the_assumption_holds() -> None:
    assert LatencyTracker(0.3).p95 == 0.3


def test_the_warm_up_does_not_count() -> None:
    tracker = LatencyTracker(0.3, warmup=2)
    for value in (9.0, 8.0):
        tracker.note(value)
        assert tracker.p95 == 0.3
    tracker.note(0.1)
    assert tracker.p95 == 0.1


def test_percentile_of_the_latest_only() -> None:
    tracker = LatencyTracker(0.3, size=100, warmup=0)
    for value in [5.0] * 100 + [k / 1000 for k in range(1, 101)]:
        tracker.note(value)
    assert tracker.p95 == pytest.approx(0.096, abs=1e-3)
