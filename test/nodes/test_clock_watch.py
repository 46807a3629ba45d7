# SPDX-License-Identifier: Apache-2.0
"""The ROS clock against the steady clock."""

from __future__ import annotations

import pytest

from quantvla_ros.nodes.clock_watch import ClockWatch


@pytest.fixture
def watch():
    watch = ClockWatch()
    watch.start(100.0, 5.0)
    return watch


def test_running_clock_is_fine_also_when_it_is_slow_or_fast(watch):
    for k in range(1, 200):
        assert watch.check(100.0 + 0.1 * k, 5.0 + 0.02 * k, 1.0) is None


def test_clock_that_stands_still(watch):
    assert watch.check(100.0, 5.9, 1.0) is None
    assert watch.still(6.1) == pytest.approx(1.1)
    jump = watch.check(100.0, 6.1, 1.0)
    assert "stood still for 1.1 s" in jump.text
    assert not jump.backwards


def test_clock_that_goes_back(watch):
    jump = watch.check(90.0, 5.02, 1.0)
    assert jump.backwards
    assert watch.check(90.02, 5.04, 1.0) is None, "told once"


def test_small_step_back_is_no_jump(watch):
    assert watch.check(99.95, 5.02, 1.0) is None
    assert watch.check(100.01, 5.04, 1.0) is None


def test_clock_that_jumps_ahead(watch):
    assert "ahead by 3.0 s" in watch.check(103.0, 5.02, 1.0).text


def test_stall_of_the_process_is_no_jump(watch):
    assert watch.check(103.0, 8.0, 1.0) is None
