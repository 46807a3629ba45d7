# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from calib_tools.fault_study.stop import CommandedWindow, measure
from quantvla_ros.control.limits import JointLimits

LIMITS = JointLimits(("a", "b"), [-9.0] * 2, [9.0] * 2, [2.0, 1.0], [8.0, 4.0], [99.0] * 2)
PERIOD, FAULT, DECELERATION = 0.02, 100.0, 2.0


def windows(begin=99.0, brake=100.1, speed=0.8):
    """Both joints move at a constant speed, and from ``brake`` on decelerate evenly."""
    rest = brake + speed / DECELERATION

    def window(first):
        times = np.arange(first, rest + 1.0, PERIOD)
        velocity = np.clip(speed - DECELERATION * (times - brake), 0.0, speed)
        braking = (times >= brake) & (velocity > 0)
        rows = [velocity, np.where(braking, -DECELERATION, 0.0)]
        v, a = (np.repeat(row[:, None], 2, axis=1) for row in rows)
        return CommandedWindow(times, np.zeros_like(v), v, a)

    return [window(first) for first in np.arange(begin, 100.3, PERIOD)]


def test_figures_of_an_even_deceleration():
    stop = measure(windows(), FAULT, LIMITS)
    assert stop.speed_ratio == pytest.approx(0.8)
    assert stop.velocity_ratio == pytest.approx(0.8)
    assert stop.acceleration_ratio == pytest.approx(0.5)
    assert stop.stop_s == pytest.approx(0.5, abs=2 * PERIOD)
    assert stop.rests
    assert np.shape(stop.curve["velocities"]) == (len(stop.curve["time_s"]), 2)
    assert min(stop.curve["time_s"]) >= -0.5


def test_jerk_is_what_changes_the_acceleration_between_two_commands():
    # From 0 to the deceleration of 2 rad/s^2 within one period of 0.02 s, of 99 rad/s^3 allowed.
    assert measure(windows(), FAULT, LIMITS).jerk_ratio == pytest.approx(100 / 99)
    assert measure(windows(brake=99.5), FAULT, LIMITS).jerk_ratio == pytest.approx(0.0)


def test_two_windows_of_one_tick_have_no_jerk_between_them():
    twice = [w for w in windows(brake=99.5) for _ in range(2)]
    assert measure(twice, FAULT, LIMITS).jerk_ratio == pytest.approx(0.0)
    told = twice[-1].accelerations + 0.5
    other = [*twice[:-1], replace(twice[-1], accelerations=told)]
    assert measure(other, FAULT, LIMITS).jerk_ratio > 1e6


def test_last_window_is_followed_to_its_end():
    whole = windows()
    cut = [w for w in whole if w.times[0] < 100.0]
    assert measure(cut, FAULT, LIMITS).stop_s == measure(whole, FAULT, LIMITS).stop_s


def test_what_was_before_the_fault_does_not_count():
    fast = windows()
    fast[3].accelerations[:] = 100.0
    assert measure(fast, FAULT, LIMITS).acceleration_ratio == pytest.approx(0.5)
    fast[-1].accelerations[-1] = 9.0
    assert measure(fast, FAULT, LIMITS).acceleration_ratio > 1.0


def test_command_that_does_not_end_at_rest_is_seen():
    moving = windows()
    moving[-1].velocities[-1] = 0.1
    assert not measure(moving, FAULT, LIMITS).rests


def test_no_windows_are_an_error():
    with pytest.raises(ValueError, match="nothing was commanded"):
        measure([], FAULT, LIMITS)
