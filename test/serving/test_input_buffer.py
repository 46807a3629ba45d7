# SPDX-License-Identifier: Apache-2.0
"""The choice of synchronous inputs, and what is skipped for which reason."""

from __future__ import annotations

import math

import pytest

from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Choice, Gates

GATES = Gates(camera_age=0.5, joint_age=0.2, skew=0.05, future=0.1, frozen=0.0)


@pytest.fixture
def buffer():
    return InputBuffer(["front", "wrist"], ["a", "b"], lambda: GATES)


def fill(buffer, stamp=10.0):
    buffer.set_instruction("put the milk in the basket")
    buffer.add_frame("front", stamp, b"front", stamp)
    buffer.add_frame("wrist", stamp, b"wrist", stamp)
    for k in range(-5, 6):
        buffer.add_joint_state(stamp + 0.01 * k, ["b", "a"], [2.0, 0.01 * k], [], stamp)


def test_joint_state_is_the_one_of_the_frames_time(buffer):
    fill(buffer)
    choice = buffer.choose(10.06)
    assert isinstance(choice, Choice)
    assert choice.joints.stamp == pytest.approx(10.0)
    assert choice.joints.positions.tolist() == pytest.approx([0.0, 2.0])
    assert choice.joints.velocities.tolist() == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(
    ("disturb", "now", "reason"),
    [
        (lambda b: None, 10.52, "old_frame_front"),
        (lambda b: b.add_frame("front", 10.06, b"", 10.06), 10.07, "skewed"),
        (lambda b: b.add_frame("wrist", 10.7, b"", 10.7), 10.1, "old_frame_wrist"),
        (lambda b: b.clear_measurements(), 10.1, "no_frame_front"),
    ],
)
def test_unfit_inputs_are_counted_by_reason(buffer, disturb, now, reason):
    fill(buffer)
    disturb(buffer)
    assert buffer.choose(now) == reason
    assert buffer.skipped == {reason: 1}


def test_looking_for_skew_counts_nothing(buffer):
    fill(buffer)
    assert not buffer.skewed(10.02)
    buffer.add_frame("front", 10.06, b"", 10.06)
    assert buffer.skewed(10.07)
    assert not buffer.skewed(11.0), "what is old is not skewed"
    assert buffer.skipped == {}


def test_old_joint_state_is_counted(buffer):
    fill(buffer)
    buffer.add_frame("front", 10.2, b"", 10.2)
    buffer.add_frame("wrist", 10.2, b"", 10.2)
    assert buffer.choose(10.3) == "old_joint_state"


def test_joints_may_come_in_messages_of_their_own(buffer):
    assert buffer.add_joint_state(1.0, ["a", "other"], [0.1, 9.0], [0.5, 0.0], 1.0) is None
    sample = buffer.add_joint_state(1.02, ["b"], [0.2], [0.6], 1.02)
    assert sample.stamp == 1.0, "a sample is as old as its oldest joint"
    assert sample.positions.tolist() == [0.1, 0.2]
    assert sample.velocities.tolist() == [0.5, 0.6]


def test_joints_are_matched_by_name_in_any_order_and_any_company(buffer):
    for k, (names, positions) in enumerate(
        [(["a", "b"], [1, 2]), (["b", "a"], [2, 1]), (["other", "b", "a"], [9, 2, 1])]
    ):
        sample = buffer.add_joint_state(1.0 + k, names, positions, [], 1.0 + k)
        assert sample.positions.tolist() == [1, 2]
    assert buffer.skipped == {}


@pytest.mark.parametrize(
    ("positions", "velocities", "reason"),
    [
        ([math.nan, 1.0], [], "not_finite"),
        ([1.0, math.inf], [], "not_finite"),
        ([1.0], [], "wrong_width"),
        ([], [1.0, 2.0], "wrong_width"),
    ],
)
def test_unusable_joint_state_is_counted(buffer, positions, velocities, reason):
    assert buffer.add_joint_state(1.0, ["a", "b"], positions, velocities, 1.0) is None
    assert buffer.skipped == {f"{reason}_joint_states": 1}
    assert buffer.newest_joints() is None
    assert buffer.trouble("joint_states")


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (0.0, "zero_stamp"),
        (10.5, "future_stamp"),
        (10.05, "repeated_stamp"),
        (10.04, "stamp_went_back"),
    ],
)
def test_message_with_an_unfit_stamp_is_skipped_counted_and_told(buffer, stamp, reason):
    fill(buffer)
    buffer.add_frame("front", 10.05, b"good", 10.1)
    assert buffer.trouble("front") == ""
    buffer.add_frame("front", stamp, b"bad", 10.1)
    assert buffer.add_joint_state(stamp, ["a", "b"], [5, 5], [], 10.1) is None
    assert buffer.skipped == {f"{reason}_front": 1, f"{reason}_joint_states": 1}
    assert buffer.frame("front").data == b"good"
    assert buffer.newest_joints().stamp == pytest.approx(10.05)
    sources = {source.name: source for source in buffer.sources()}
    assert "stamps" in sources["camera 'front'"].trouble
    assert "stamps" in sources["joint states"].trouble
    assert sources["camera 'wrist'"].trouble == ""
    buffer.add_frame("front", 10.06, b"good", 10.1)
    assert buffer.trouble("front") == ""


def test_joint_that_vanishes_makes_the_state_as_old_as_it(buffer):
    fill(buffer)
    buffer.add_joint_state(10.1, ["a"], [1.0], [], 10.1)
    joints = buffer.sources()[-1]
    assert joints.newest == pytest.approx(10.05)
    assert joints.trouble == "joint 'b' is missing"


def test_refused_frame_silences_its_camera_until_one_is_accepted(buffer):
    fill(buffer)
    choice = buffer.choose(10.06)
    buffer.refuse_frame("front", choice.frames["front"], "wrong_size", "too small")
    assert buffer.choose(10.06) == "refused_frame_front", "it is not decoded again"
    buffer.add_frame("front", 10.04, b"next", 10.06)
    assert isinstance(buffer.choose(10.06), Choice), "the next one may be better"
    front = buffer.sources()[0]
    assert (front.newest, front.trouble) == (10.0, "too small")
    buffer.accept_frame("front")
    front = buffer.sources()[0]
    assert (front.newest, front.trouble) == (10.04, "")
    assert buffer.skipped["wrong_size_front"] == 1


def test_camera_that_hangs_is_skipped_after_a_time_where_that_is_checked():
    gates = Gates(camera_age=0.5, joint_age=0.2, skew=0.05, future=0.1, frozen=1.0)
    buffer = InputBuffer(["front"], ["a"], lambda: gates)
    header = bytes(12)
    for k in range(20):
        now = 5.0 + 0.1 * k
        buffer.add_frame("front", now, header + b"same", now)
    assert buffer.frame("front").stamp == pytest.approx(6.0)
    assert buffer.skipped["frozen_front"] == 9
    assert buffer.trouble("front") == "its picture does not change"
    buffer.add_frame("front", 7.0, header + b"else", 7.0)
    assert buffer.frame("front").stamp == 7.0


def test_clock_set_back_forgets_the_later_messages(buffer):
    fill(buffer, 10.0)
    fill(buffer, 3.0)
    choice = buffer.choose(3.05)
    assert isinstance(choice, Choice)
    assert choice.joints.stamp == pytest.approx(3.0)
    assert choice.frames["front"].stamp == 3.0


def test_cleared_measurements_make_observations_before_worthless(buffer):
    fill(buffer)
    generation = buffer.choose(10.05).generation
    buffer.clear_measurements()
    assert buffer.generation != generation
    assert [source.newest for source in buffer.sources()] == [None, None, None]


def test_nothing_is_chosen_without_an_instruction(buffer):
    fill(buffer)
    assert buffer.choose(10.05).instruction == "put the milk in the basket"
    buffer.set_instruction(" ")
    assert buffer.choose(10.05) == "no_instruction"
    assert buffer.skipped == {}


def test_instruction_counts_its_changes(buffer):
    assert buffer.set_instruction("put the milk in the basket")
    assert not buffer.set_instruction(" put the milk in the basket ")
    assert buffer.generation == 1
    assert buffer.set_instruction("")
    assert (buffer.instruction, buffer.generation) == ("", 2)
