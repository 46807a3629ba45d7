# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from calib_tools.common.setpoints import Setpoints
from quantvla_ros.control.limits import JointLimits
from studies.fault_study.run import measure

LIMITS = JointLimits(("a", "b"), [-9.0] * 2, [9.0] * 2, [2.0, 1.0], [8.0, 4.0], [99.0] * 2)
PERIOD, FAULT, DECELERATION = 0.002, 100.0, 2.0


def setpoints(brake=100.1, speed=0.8, moving_on=0.0):
    """Both joints move at a constant speed, and from ``brake`` on decelerate evenly."""
    times = np.arange(99.0, 101.5, PERIOD)
    gone = np.clip(times - brake, 0.0, speed / DECELERATION)
    way = speed * (np.minimum(times, brake) - 99.0) + speed * gone - DECELERATION * gone**2 / 2
    way += moving_on * np.maximum(times - 101.0, 0.0)
    return Setpoints(times, np.repeat(way[:, None], 2, axis=1))


def test_figures_of_an_even_deceleration():
    stop = measure(setpoints(), FAULT, LIMITS)
    assert stop.speed_ratio == pytest.approx(0.8)
    assert stop.velocity_ratio == pytest.approx(0.8)
    assert stop.acceleration_ratio == pytest.approx(0.5, rel=1e-3)
    assert stop.stop_s == pytest.approx(0.5, abs=2 * PERIOD)
    # The deceleration comes and goes within one or two cycles.
    assert 0.49 < stop.jerk_ratio / (DECELERATION / PERIOD / 99) < 1.01
    assert stop.rests
    assert np.shape(stop.curve["velocities"]) == (len(stop.curve["time_s"]), 2)
    assert min(stop.curve["time_s"]) >= -0.5


def test_what_was_before_the_fault_does_not_count():
    early = measure(setpoints(brake=99.2), FAULT, LIMITS)
    assert early.stop_s == early.acceleration_ratio == early.velocity_ratio == 0.0 or (
        early.acceleration_ratio < 1e-6
    )
    fast = setpoints()
    fast.positions[:100] *= 3.0
    assert measure(fast, FAULT, LIMITS).velocity_ratio == pytest.approx(0.8)


def test_setpoints_that_do_not_end_at_rest_are_seen():
    assert not measure(setpoints(moving_on=0.1), FAULT, LIMITS).rests


def test_setpoints_that_were_not_heard_are_an_error():
    nothing = Setpoints(np.empty(0), np.empty((0, 2)))
    for heard in (nothing, Setpoints(np.arange(3.0), np.zeros((3, 2)))):
        with pytest.raises(ValueError, match="were not heard"):
            measure(heard, FAULT, LIMITS)
