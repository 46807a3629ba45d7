# SPDX-License-Identifier: Apache-2.0
"""Joint states put together from parts: complete only when every joint has come."""

from __future__ import annotations

import math

import pytest
from support.joint_worlds import observed_joints

from quantvla_ros.serving.joint_history import HISTORY_S, JointHistory, JointMessage

FUTURE_S = 0.1


@pytest.fixture
def history() -> JointHistory:
    return JointHistory(["a", "b"])


def add(history, stamp, names=("a", "b"), positions=(1.0, 2.0), velocities=(), jump=math.inf):
    return history.add(JointMessage(stamp, names, positions, velocities), stamp, FUTURE_S, jump)


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


def test_a_position_that_no_joint_can_have_reached_is_not_used(history):
    history.know(observed_joints(["a", "b"]))
    add(history, 1.0, jump=0.1)
    assert add(history, 1.01, positions=(1.0, 0.0), jump=0.1) == "jumped"
    assert history.newest.positions.tolist() == [1.0, 2.0]
    assert "'b' is measured at 2.00 and at 0.00" in history.sources.conditions(1.01)[0][1]
    assert add(history, 1.02, positions=(1.0, 0.0), jump=0.1).positions.tolist() == [1.0, 0.0]


def test_a_second_source_whose_stamps_lie_ahead_does_not_hide_the_first(history):
    """Each true message is older than the zeros before it, and would be skipped for that alone."""
    history.know(observed_joints(["a", "b"]))
    add(history, 1.0, jump=0.1)
    for k in range(1, 9):
        stamp = 1.0 + 0.02 * k
        ahead = JointMessage(stamp + 0.03, ["a", "b"], [0.0, 0.0], [])
        history.add(ahead, stamp, FUTURE_S, jump=0.1)
        assert history.sources.conditions(stamp)
        add(history, stamp, jump=0.1)
    assert history.newest.stamp == 1.0, "none of either is used"


def test_a_reset_of_the_clock_is_no_jump(history):
    history.know(observed_joints(["a", "b"]))
    add(history, 5.0, jump=0.1)
    history.clear()
    assert add(history, 5.0, positions=(0.0, 0.0), jump=0.1).positions.tolist() == [0.0, 0.0]


def test_velocity_from_positions_of_a_continuous_joint_through_the_end_of_a_turn(history):
    history.know(observed_joints(["a", "b"], continuous=["a"]))
    for k in range(20):
        angle = math.remainder(3.0 + 0.02 * k, 2 * math.pi)
        sample = add(history, 1.0 + 0.02 * k, positions=(angle, 0.0), jump=0.1)
    assert sample.velocities.tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("velocities", [(0.1,), (0.1, 0.2, 0.3), (math.nan, math.inf)])
def test_velocities_that_are_no_use_do_not_make_the_positions_useless(history, velocities):
    add(history, 1.0, positions=(1.0, 2.0), velocities=velocities)
    sample = add(history, 1.06, positions=(1.06, 2.0), velocities=velocities)
    assert sample.velocities.tolist() == pytest.approx([1.0, 0.0])
