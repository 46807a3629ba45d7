# SPDX-License-Identifier: Apache-2.0
"""Positions that no joint can have reached, and messages of two publishers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.joint_reading import JointReading, read_joints
from quantvla_ros.control.joint_sources import (
    MEMORY_S,
    QUIET_S,
    JointSources,
    JumpWatch,
    NumberWatch,
)
from quantvla_ros.control.observed import ObservedJoints

VELOCITY, MARGIN, NOW = 2.0, 0.1, 50.0
NAMES = ("elbow", "wheel", "finger")
NAN = float("nan")


def joints(velocity=VELOCITY, continuous=(False, True, False)):
    return ObservedJoints(NAMES, np.full(3, velocity), np.array(continuous))


def reading(*positions):
    return JointReading([0, 1, 2][: len(positions)], list(positions), [NAN] * len(positions))


def look(watch, stamp, *positions, now=None):
    return watch.look(stamp, reading(*positions), MARGIN, stamp if now is None else now)


@given(
    st.lists(st.floats(-0.02, 0.2), min_size=2, max_size=30),
    st.lists(st.floats(-VELOCITY, VELOCITY), min_size=30, max_size=30),
    st.floats(0.0, 0.04),
)
def test_a_joint_that_moves_as_it_can_never_jumps(steps, speeds, noise):
    """Whatever is lost, repeated or out of order: stamps may be 20 ms wrong, encoders noisy."""
    watch = JumpWatch(joints())
    position, stamp = 0.3, NOW
    for k, step in enumerate(steps):
        stamp += step
        position += speeds[k] * max(step, 0.0)
        shown = position + noise * (-1) ** k
        assert not look(watch, stamp, shown, shown, shown, now=NOW)
    assert watch.trouble(NOW) == ""


@pytest.mark.parametrize("apart_s", [0.0, 0.002, -0.03, 0.05])
def test_a_second_source_jumps_whatever_its_stamps(apart_s):
    watch = JumpWatch(joints())
    assert not look(watch, NOW, 0.5, 0.0, 0.0)
    assert look(watch, NOW + apart_s, 0.0, 0.0, 0.0, now=NOW)
    assert watch.trouble(NOW) == (
        f"joint 'elbow' is measured at 0.50 and at 0.00 within {abs(apart_s):.3f} s, further than "
        "it can move"
    )


def test_a_jump_is_over_after_a_quiet_time_and_the_text_stays_the_first():
    watch = JumpWatch(joints())
    look(watch, NOW, 0.5, 0.0, 0.0)
    assert look(watch, NOW + 0.01, 0.0, 0.0, 0.0)
    first = watch.trouble(NOW + 0.01)
    assert look(watch, NOW + 0.02, 0.9, 0.0, 0.0)
    assert watch.trouble(NOW + 0.02) == first
    assert not look(watch, NOW + 0.03, 0.9, 0.0, 0.0)
    assert watch.trouble(NOW + QUIET_S) == first
    assert watch.trouble(NOW + 0.03 + QUIET_S) == ""


def test_a_turn_of_a_continuous_joint_is_no_jump_and_of_another_one_it_is():
    watch = JumpWatch(joints())
    look(watch, NOW, 0.0, np.pi - 0.01, 0.0)
    assert not look(watch, NOW + 0.01, 0.0, -np.pi + 0.01, 0.0)
    assert look(watch, NOW + 0.02, 2 * np.pi, -np.pi, 0.0)


def test_a_long_silence_explains_any_distance():
    watch = JumpWatch(joints())
    look(watch, NOW, 0.0, 0.0, 0.0)
    assert not look(watch, NOW + 2.0, 4.0, 0.0, 0.0)


def test_a_gripper_that_tells_only_open_or_closed_has_a_distance_of_its_own():
    given_distances = np.array([np.nan, np.nan, 0.04])
    watch = JumpWatch(joints(velocity=0.1), given_distances)
    look(watch, NOW, 0.0, 0.0, 0.0)
    assert not look(watch, NOW + 0.01, 0.0, 0.0, 0.04)
    assert look(watch, NOW + 0.02, 0.0, 0.0, 0.09)
    unwatched = JumpWatch(joints(velocity=0.1), np.array([np.nan, np.nan, np.inf]))
    look(unwatched, NOW, 0.0, 0.0, 0.0)
    assert not look(unwatched, NOW, 0.0, 0.0, 9.0)


def test_a_joint_of_unknown_velocity_is_not_watched():
    watch = JumpWatch(joints(velocity=np.inf))
    look(watch, NOW, 0.0, 0.0, 0.0)
    assert not look(watch, NOW, 9.0, 9.0, 9.0)


def interleaved(first, second, every):
    """Numbers of two publishers in the order of arrival, one of the second after `every`."""
    for k in range(60):
        yield first + k
        if k % every == 0:
            yield second + k // every


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 5000), (5000, 1), (7, 8), (8, 7)])
@pytest.mark.parametrize("every", [1, 5])
def test_numbers_of_two_publishers_fall_again_and_again(first, second, every):
    watch = NumberWatch(NAMES)
    found = []
    for k, number in enumerate(interleaved(first, second, every)):
        watch.look(number, [0], NOW + 0.01 * k)
        found.append(bool(watch.trouble(NOW + 0.01 * k)))
    assert found.index(True) <= 4 * every + 4
    assert all(itertools.dropwhile(lambda there: not there, found))
    end = NOW + 0.01 * len(found)
    assert watch.trouble(end) == "two publishers name joint 'elbow', end one of them"
    assert watch.trouble(end + MEMORY_S) == ""


def test_one_publisher_however_much_is_lost_has_rising_numbers():
    watch = NumberWatch(NAMES)
    for k, number in enumerate([1, 2, 9, 10, 500]):
        watch.look(number, [0, 1], NOW + k)
        assert watch.trouble(NOW + k) == ""


def test_a_driver_that_is_started_again_lets_them_fall_once():
    watch = NumberWatch(NAMES)
    for k, number in enumerate([800, 801, 1, 2, 3]):
        watch.look(number, [0], NOW + 0.02 * k)
        assert watch.trouble(NOW + 0.02 * k) == ""


def test_publishers_of_different_joints_are_fine_and_without_numbers_nothing_is_known():
    watch = NumberWatch(NAMES)
    for k in range(20):
        watch.look(k, [0, 1], NOW + 0.01 * k)
        watch.look(k, [2], NOW + 0.01 * k)
        watch.look(None, [0, 2], NOW + 0.01 * k)
    assert watch.trouble(NOW + 0.2) == ""


def test_both_are_told_the_publishers_first_and_forgotten_together():
    sources = JointSources(NAMES)
    assert not sources.look(NOW, reading(0.5), 9, MARGIN, NOW)
    sources.know(joints())
    for k in range(4):
        stamp = NOW + 0.01 * k
        jumps = sources.look(stamp, reading(0.5 * (k % 2)), 9 - k % 2, MARGIN, stamp)
        assert jumps is (k > 0)
    codes = [code for code, _ in sources.conditions(NOW + 0.03)]
    assert codes == [FaultCode.JOINT_STATE_CONFLICT, FaultCode.JOINT_JUMP]
    sources.forget()
    assert sources.conditions(NOW + 0.03) == []


INDEX = {"elbow": 0, "finger": 1}


@pytest.mark.parametrize(
    ("velocities", "taken"),
    [
        ([], [NAN, NAN]),
        ([0.1], [NAN, NAN]),
        ([0.1, 0.2, 0.3, 0.4], [NAN, NAN]),
        ([NAN, 0.2, NAN], [NAN, NAN]),
        ([0.1, NAN, float("inf")], [NAN, 0.1]),
        ([0.1, NAN, 0.3], [0.3, 0.1]),
    ],
)
def test_positions_decide_and_velocities_are_taken_where_there_are_any(velocities, taken):
    got = read_joints(INDEX, ["finger", "wheel", "elbow"], [1.0, NAN, 2.0], velocities)
    assert got.joints == [1, 0] and got.positions == [1.0, 2.0]
    np.testing.assert_array_equal(got.velocities[::-1], taken)


@pytest.mark.parametrize(
    ("names", "positions", "reason"),
    [
        (["elbow", "finger"], [1.0], "wrong_width"),
        (["elbow", "finger"], [], "wrong_width"),
        (["elbow", "finger"], [1.0, NAN], "not_finite"),
        (["elbow", "finger", "elbow"], [1.0, 2.0, 1.0], "named_twice"),
    ],
)
def test_positions_that_are_no_use(names, positions, reason):
    assert read_joints(INDEX, names, positions, []) == reason


def test_a_message_of_other_joints_has_no_wanted_one_whatever_is_in_it():
    assert read_joints(INDEX, ["wheel"], [], []).joints == []
