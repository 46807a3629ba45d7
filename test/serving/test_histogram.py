# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from quantvla_ros.serving.histogram import BOUNDS_MS, Histogram


def test_each_duration_is_in_the_class_that_ends_at_or_above_it():
    histogram = Histogram()
    assert histogram.text() == ""
    for ms in (0.05, 0.1, 0.1001, 3.0, 5.0, 1000.0, 7000.0, 1.0):
        histogram.add(ms)
    assert histogram.text() == "0.1:2 0.2:1 1:1 5:2 1000:1 >1000:1"
    assert sum(histogram.counts) == 8 and len(histogram.counts) == len(BOUNDS_MS) + 1
    assert histogram.last_ms == 1.0
