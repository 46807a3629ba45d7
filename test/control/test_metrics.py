# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.window import Window


def window(stamp, offset, velocity=0.0, acceleration=0.0) -> Window:
    times = 0.02 * np.arange(1, 4)
    positions = np.full((3, 4), offset)
    velocities, accelerations = np.zeros((3, 4)), np.zeros((3, 4))
    velocities[1, 2], accelerations[1, 0] = velocity, acceleration
    return Window(stamp, times, positions, velocities, accelerations)


def test_ratios_are_the_largest_over_their_own_limits(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, 0.0, velocity=-1.305, acceleration=0.375))
    metrics.published(window(0.02, 0.0))
    assert metrics.max_velocity_ratio == pytest.approx(0.5)
    assert metrics.max_acceleration_ratio == pytest.approx(0.1)
    assert metrics.windows == 2


def test_the_boundary_jump_is_the_step_of_the_command_at_a_switch(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, 0.0))
    metrics.switched(0.3)
    metrics.published(window(0.02, 0.25))
    metrics.published(window(0.04, 9.0))
    figures = metrics.as_dict()
    assert figures["boundary_jump"] == pytest.approx(0.25)
    assert figures["chunk_gap"] == 0.3 and figures["chunk_switches"] == 1
    assert set(figures) == {
        "windows",
        "max_velocity_ratio",
        "max_acceleration_ratio",
        "chunk_switches",
        "late_chunks",
        "max_jerk_ratio",
        "rms_jerk",
        "boundary_jump",
        "chunk_gap",
        "tracking_error",
        "max_tracking_error",
    }


def test_a_new_reference_is_no_jump(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, 0.0))
    metrics.began()
    metrics.switched(0.0)
    metrics.published(window(5.0, 2.0))
    assert metrics.boundary_jump == 0.0


def test_jerk_is_that_of_the_executed_command(limits) -> None:
    metrics = MotionMetrics(limits)
    for stamp, acceleration in ((0.0, 0.0), (0.02, 1.0), (0.04, 1.0), (0.06, 0.0)):
        made = window(stamp, 0.0)
        made.accelerations[0, 1] = acceleration
        metrics.published(made)
    assert metrics.max_jerk_ratio == pytest.approx(50.0 / 60.0)
    assert metrics.rms_jerk == pytest.approx(np.sqrt((50.0**2 + 0 + 50.0**2) / 3))
    metrics.began()
    later = window(9.0, 0.0)
    later.accelerations[0] = 3.0
    metrics.published(later)
    assert metrics.max_jerk_ratio == pytest.approx(50.0 / 60.0)


def test_tracking_error_is_of_the_farthest_joint(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.tracked(np.array([0.01, -0.05, 0.0, 0.0]))
    metrics.tracked(np.array([0.02, 0.0, 0.0, 0.0]))
    assert (metrics.tracking_error, metrics.max_tracking_error) == (0.02, 0.05)
