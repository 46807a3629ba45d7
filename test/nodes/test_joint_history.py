# SPDX-License-Identifier: Apache-2.0
"""Joint states put together from parts: complete only when every joint has come."""

from __future__ import annotations

import math

import pytest

from quantvla_ros.nodes.joint_history import HISTORY_S, JointHistory

FUTURE_S = 0.1


@pytest.fixture
def history() -> JointHistory:
    return JointHistory(["a", "b"])


def add(history, stamp, names=("a", "b"), positions=(1.0, 2.0), velocities=()):
    return history.add(stamp, names, positions, velocities, stamp, FUTURE_S)


def test_parts_make_a_sample_as_old_as_the_oldest_joint(history):
    assert add(history, 1.0, ["a"], [5.0], [0.1]) is None
    sample = add(history, 1.1, ["other", "b"], [0.0, 6.0], [0.0, 0.5])
    assert sample.stamp == 1.0
    assert sample.positions.tolist() == [5.0, 6.0]
    assert sample.velocities.tolist() == [0.1, 0.5]
    assert history.newest is sample


def test_message_of_other_joints_says_nothing(history):
    assert add(history, 1.0, ["other"], [float("nan")]) is None
    assert history.names_seen == {"other"}


def test_nearest_sample_and_the_end_of_memory(history):
    first = add(history, 1.0)
    second = add(history, 1.0 + HISTORY_S)
    assert history.nearest(1.4) is first
    assert history.nearest(1.0 + 0.6 * HISTORY_S) is second
    add(history, 1.1 + HISTORY_S)
    assert history.nearest(1.0) is second


def test_joint_that_is_left_out_lags(history):
    add(history, 1.0)
    assert history.lagging() == ""
    add(history, 1.1, ["b"], [0.0])
    assert history.lagging() == "a"


def test_clearing_forgets_positions_and_keeps_names(history):
    add(history, 1.0)
    history.clear()
    assert history.newest is None
    assert add(history, 0.5).stamp == 0.5


@pytest.mark.parametrize("rate_hz", [10, 50, 1000])
@pytest.mark.parametrize("given", [(), (float("nan"), float("nan"))])
def test_velocities_that_a_driver_does_not_give_come_from_positions(history, rate_hz, given):
    for k in range(rate_hz + 1):
        stamp = 5.0 + k / rate_hz
        sample = add(history, stamp, positions=(0.3 * stamp, 1.0), velocities=given)
        if k == 0:
            assert all(math.isnan(value) for value in sample.velocities)
    assert sample.velocities.tolist() == pytest.approx([0.3, 0.0], abs=1e-9)


def test_velocities_are_not_known_after_a_pause(history):
    add(history, 1.0)
    assert all(math.isnan(value) for value in add(history, 3.0).velocities)
    assert add(history, 3.1).velocities.tolist() == [0.0, 0.0]
    history.clear()
    assert all(math.isnan(value) for value in add(history, 3.2).velocities)
