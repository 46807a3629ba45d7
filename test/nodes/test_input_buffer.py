# SPDX-License-Identifier: Apache-2.0
"""The choice of synchronous inputs, and what is skipped for which reason."""

from __future__ import annotations

import math

import pytest

from quantvla_ros.nodes.input_buffer import Choice, Gates, InputBuffer

GATES = Gates(camera_age=0.5, joint_age=0.2, skew=0.05)


@pytest.fixture
def buffer():
    return InputBuffer(["front", "wrist"], ["a", "b"])


def fill(buffer, stamp=10.0):
    buffer.add_frame("front", stamp, b"front")
    buffer.add_frame("wrist", stamp, b"wrist")
    for k in range(-5, 6):
        buffer.add_joint_state(stamp + 0.01 * k, ["b", "a"], [2.0, 0.01 * k], [])


def test_joint_state_is_the_one_of_the_frames_time(buffer):
    fill(buffer)
    choice = buffer.choose(10.06, GATES)
    assert isinstance(choice, Choice)
    assert choice.joints.stamp == pytest.approx(10.0)
    assert choice.joints.positions.tolist() == pytest.approx([0.0, 2.0])
    assert choice.joints.velocities.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("disturb", "now", "reason"),
    [
        (lambda b: None, 10.52, "old_frame_front"),
        (lambda b: b.add_frame("front", 10.06, b""), 10.07, "skewed"),
        (lambda b: b.add_frame("wrist", 10.7, b""), 10.1, "old_frame_wrist"),
        (lambda b: b.clear_measurements(), 10.1, "no_frame_front"),
    ],
)
def test_unfit_inputs_are_counted_by_reason(buffer, disturb, now, reason):
    fill(buffer)
    disturb(buffer)
    assert buffer.choose(now, GATES) == reason
    assert buffer.skipped == {reason: 1}


def test_old_joint_state_is_counted(buffer):
    fill(buffer)
    buffer.add_frame("front", 10.2, b"")
    buffer.add_frame("wrist", 10.2, b"")
    assert buffer.choose(10.3, GATES) == "old_joint_state"


def test_joints_may_come_in_messages_of_their_own(buffer):
    assert buffer.add_joint_state(1.0, ["a", "other"], [0.1, 9.0], [0.5, 0.0]) is None
    assert buffer.missing_joints() == ["b"]
    sample = buffer.add_joint_state(1.02, ["b"], [0.2], [0.6])
    assert sample.stamp == 1.0, "a sample is as old as its oldest joint"
    assert sample.positions.tolist() == [0.1, 0.2]
    assert sample.velocities.tolist() == [0.5, 0.6]


@pytest.mark.parametrize(
    ("positions", "velocities", "reason"),
    [
        ([math.nan, 1.0], [], "joint_state_not_finite"),
        ([1.0], [], "joint_state_width"),
        ([1.0, 2.0], [0.0], "joint_state_width"),
    ],
)
def test_unusable_joint_state_is_counted(buffer, positions, velocities, reason):
    assert buffer.add_joint_state(1.0, ["a", "b"], positions, velocities) is None
    assert buffer.skipped == {reason: 1}
    assert buffer.newest_joints() is None


def test_clock_set_back_forgets_the_later_joint_states(buffer):
    fill(buffer, 10.0)
    fill(buffer, 3.0)
    choice = buffer.choose(3.05, GATES)
    assert isinstance(choice, Choice)
    assert choice.joints.stamp == pytest.approx(3.0)


def test_instruction_counts_its_changes(buffer):
    assert buffer.set_instruction("put the milk in the basket")
    assert not buffer.set_instruction(" put the milk in the basket ")
    assert buffer.generation == 1
    assert buffer.set_instruction("")
    assert (buffer.instruction, buffer.generation) == ("", 2)
