# SPDX-License-Identifier: Apache-2.0
"""The ROS clock against the steady clock."""

from __future__ import annotations

import pytest

from quantvla_ros.nodes.clock_watch import ClockWatch

TIMEOUT, STEP = 1.0, 0.1


def watching(simulated=False):
    watch = ClockWatch(simulated)
    watch.start(100.0, 5.0)
    return lambda now, steady: watch.check(now, steady, TIMEOUT, STEP)


@pytest.mark.parametrize("speed", [0.1, 1.0, 5.0])
def test_simulation_may_be_slow_or_fast(speed):
    check = watching(simulated=True)
    for k in range(1, 200):
        assert check(100.0 + 0.02 * k * speed, 5.0 + 0.02 * k) is None


def test_clock_that_stands_still():
    watch = ClockWatch(True)
    watch.start(100.0, 5.0)
    assert watch.check(100.0, 5.9, TIMEOUT, STEP) is None
    assert watch.still(6.1) == pytest.approx(1.1)
    fault = watch.check(100.0, 6.1, TIMEOUT, STEP)
    assert "stood still for 1.1 s" in fault.text
    assert not fault.jumped


@pytest.mark.parametrize("simulated", [False, True])
def test_clock_that_goes_back(simulated):
    check = watching(simulated)
    fault = check(90.0, 5.02)
    assert fault.jumped
    assert "went back by 10.000 s" in fault.text
    assert check(90.02, 5.04) is None, "told once"


@pytest.mark.parametrize(("simulated", "back"), [(False, 0.019), (True, 0.09)])
def test_small_step_back_is_no_jump(simulated, back):
    check = watching(simulated)
    assert check(100.0 - back, 5.02) is None
    assert check(100.01, 5.04) is None


def test_a_real_clock_that_goes_back_by_more_than_commands_can_wait_has_jumped():
    assert watching()(99.97, 5.02).jumped


@pytest.mark.parametrize(("simulated", "ahead"), [(False, 0.15), (True, 0.4)])
def test_clock_that_jumps_ahead(simulated, ahead):
    check = watching(simulated)
    fault = check(100.0 + ahead, 5.02)
    assert f"ahead by {ahead:.3f} s" in fault.text
    assert fault.jumped
    assert check(100.02 + ahead, 5.04) is None, "told once"


@pytest.mark.parametrize("simulated", [False, True])
def test_stall_of_the_process_is_no_jump(simulated):
    assert watching(simulated)(103.0, 8.0) is None


def test_messages_of_the_clock_that_come_late_together_are_no_jump():
    check = watching(simulated=True)
    for k in range(1, 16):
        assert check(100.0, 5.0 + 0.02 * k) is None
    assert check(100.3, 5.32) is None


@pytest.mark.parametrize("simulated", [False, True])
def test_a_time_between_two_checks_is_trusted_unless_it_jumped(simulated):
    watch = ClockWatch(simulated)
    watch.start(100.0, 5.0)
    assert watch.check(100.02, 5.02, TIMEOUT, STEP) is None
    assert watch.trusted(100.03, 5.03, STEP) == 100.03
    assert watch.trusted(100.01, 5.03, STEP) == 100.01
    assert watch.trusted(2.0e9, 5.03, STEP) == 100.02
    assert watch.trusted(0.0, 5.03, STEP) == 100.02
    assert watch.check(2.0e9, 5.04, TIMEOUT, STEP).jumped, "asking has not hidden it"
