# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.window import Window


def window(stamp, offset=0.0, **columns) -> Window:
    """Four joints at rest at an offset for 0.06 s from 0.02 s on, but for some values of a row."""
    times = 0.02 * np.arange(1, 5)
    rows = {name: np.zeros((4, 4)) for name in ("velocities", "accelerations")}
    for name, (row, joint, value) in columns.items():
        rows[name][row, joint] = value
    return Window(stamp, times, np.full((4, 4), offset), **rows)


def test_ratios_are_of_the_setpoints_that_are_executed_over_their_own_limits(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, velocities=(0, 2, -1.305)))
    metrics.published(window(0.02))
    assert metrics.as_dict()["max_velocity_ratio"] == pytest.approx(0.5)
    # To rest at the same place in 0.02 s: the quintic's largest values, not those of its ends.
    t = np.linspace(0, 1, 20001)
    acceleration = np.polyval(np.polyder(np.poly1d([-3, 8, -6, 0, 1, 0]), 2), t)
    jerk = np.polyval(np.polyder(np.poly1d([-3, 8, -6, 0, 1, 0]), 3), t)
    most = 1.305 / 0.02 * np.abs(acceleration).max() / limits.acceleration[2]
    assert metrics.as_dict()["max_acceleration_ratio"] == pytest.approx(most, rel=0.02)
    most = 1.305 / 0.02**2 * np.abs(jerk).max() / limits.jerk[2]
    assert metrics.as_dict()["max_jerk_ratio"] == pytest.approx(most, rel=0.02)
    assert metrics.windows == 2


def test_what_the_next_window_replaces_is_not_executed(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, velocities=(2, 2, 1.0)))
    metrics.published(window(0.02))
    assert metrics.as_dict()["max_velocity_ratio"] == 0.0
    metrics.published(window(0.06, velocities=(2, 2, 1.0)))
    metrics.began()  # nothing replaces the last one
    assert metrics.as_dict()["max_velocity_ratio"] > 0.3


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


def test_the_mean_jerk_is_that_from_point_to_point(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.published(window(0.0, accelerations=(1, 1, 1.0)))
    metrics.began()
    assert metrics.as_dict()["rms_jerk"] == pytest.approx(np.sqrt((50.0**2 + 50.0**2 + 0) / 3))
    later = window(9.0, accelerations=(0, 1, 3.0))
    before = metrics.as_dict()["max_jerk_ratio"]
    metrics.published(later)
    assert metrics.as_dict()["max_jerk_ratio"] == before  # not executed yet


def test_tracking_error_is_of_the_farthest_joint(limits) -> None:
    metrics = MotionMetrics(limits)
    metrics.tracked(np.array([0.01, -0.05, 0.0, 0.0]))
    metrics.tracked(np.array([0.02, 0.0, 0.0, 0.0]))
    assert (metrics.tracking_error, metrics.max_tracking_error) == (0.02, 0.05)
