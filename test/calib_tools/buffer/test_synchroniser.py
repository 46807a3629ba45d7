# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from calib_tools.buffer.messages import RawMessage
from calib_tools.buffer.synchroniser import JOINTS, Synchroniser

MS = 1_000_000


def feed(config, stream):
    synchroniser = Synchroniser(config)
    groups = [group for message in stream for group in synchroniser.add(message)]
    return groups + synchroniser.finish(), synchroniser


def moment(streams, *joints):
    """An instruction, joint states, and a picture of both cameras at the start of the stream."""
    pictures = (("/front/image_raw", 0), ("/wrist/image_raw", 1))
    shown = [streams.image(n, streams.start_ns, streams.picture(seed)) for n, seed in pictures]
    return [streams.instruction("go"), *joints, *shown]


def test_healthy_stream_gives_a_group_for_each_frame_of_the_first_camera(config, streams):
    groups, synchroniser = feed(config, streams.robot(20))
    assert len(groups) == 20
    assert not synchroniser.rejected
    assert [g.stamp_ns for g in groups] == [streams.start_ns + i * 100 * MS for i in range(20)]
    assert all(g.stamps_ns["wrist"] - g.stamp_ns == 3 * MS for g in groups)
    np.testing.assert_allclose(groups[3].joints.position, [0.3, -0.3, 0.04])
    np.testing.assert_allclose(groups[3].joints.velocity, [0.15, -0.15, 0.02])


def test_the_nearest_joint_state_is_taken_even_when_it_arrives_after_the_frame(config, streams):
    t = streams.start_ns
    stream = moment(streams, streams.joints(t - 20 * MS, [1, 1, 1]))
    groups, _ = feed(config, [*stream, streams.joints(t + 5 * MS, [1.1, 1.1, 1.1])])
    assert groups[0].stamps_ns[JOINTS] == t + 5 * MS
    np.testing.assert_array_equal(groups[0].joints.position, [1.1, 1.1, 1.1])


def test_a_silent_camera_is_first_skewed_then_stale(config, streams):
    t = streams.start_ns
    stream = [m for m in streams.robot(20) if m.topic != "/wrist/image_raw"]
    stream.insert(1, streams.image("/wrist/image_raw", t, streams.picture(1)))
    groups, synchroniser = feed(config, stream)
    assert len(groups) == 1
    assert synchroniser.rejected == {"skewed wrist": 5, "stale wrist": 14}


def test_a_camera_that_never_sends_is_missing(config, streams):
    stream = [m for m in streams.robot(8) if m.topic != "/wrist/image_raw"]
    groups, synchroniser = feed(config, stream)
    assert not groups
    assert synchroniser.rejected == {"missing wrist": 8}


def test_joint_states_that_lag_are_skewed(config, streams):
    t = streams.start_ns
    joints = [streams.joints(t - 61 * MS, [0, 0, 0])]
    groups, synchroniser = feed(config, moment(streams, *joints))
    assert not groups
    assert synchroniser.rejected == {f"skewed {JOINTS}": 1}


def test_a_frame_that_comes_late_is_stale(config, streams):
    t = streams.start_ns
    stream = streams.robot(10)
    stream.append(streams.joints(t + 2_000 * MS, [0, 0, 0]))
    stream.append(streams.image("/front/image_raw", t + 1_400 * MS, streams.picture(0)))
    groups, synchroniser = feed(config, stream)
    assert len(groups) == 10
    assert synchroniser.rejected == {"stale front": 1}


@pytest.mark.parametrize("text", [None, "", "   "])
def test_without_an_instruction_nothing_is_used(config, streams, text):
    stream = streams.robot(5)[1:]
    if text is not None:
        stream.insert(0, streams.instruction(text))
    groups, synchroniser = feed(config, stream)
    assert not groups
    assert synchroniser.rejected == {"no instruction": 5}


def test_a_group_has_the_instruction_in_force_when_its_frame_arrived(config, streams):
    stream = streams.robot(10)
    half = len(stream) // 2
    stream.insert(half, streams.instruction("put the butter in the basket"))
    groups, _ = feed(config, stream)
    texts = [g.instruction for g in groups]
    assert texts[0] == "put the milk in the basket"
    assert texts[-1] == "put the butter in the basket"
    assert sorted(texts, reverse=True) == texts


def test_joints_of_two_drivers_are_merged_and_as_old_as_the_older(config, streams):
    t = streams.start_ns
    joints = [
        streams.joints(t - 10 * MS, [0.04], ["finger"]),
        streams.joints(t, [1, 2], ["shoulder", "elbow"]),
    ]
    groups, _ = feed(config, moment(streams, *joints))
    np.testing.assert_array_equal(groups[0].joints.position, [1, 2, 0.04])
    assert groups[0].stamps_ns[JOINTS] == t - 10 * MS


def test_a_joint_that_is_never_named_gives_no_group(config, streams):
    t = streams.start_ns
    joints = [streams.joints(t, [1, 2], ["shoulder", "elbow"])]
    groups, synchroniser = feed(config, moment(streams, *joints))
    assert not groups
    assert synchroniser.rejected == {f"missing {JOINTS}": 1}


def test_joints_that_are_not_finite_are_rejected(config, streams):
    t = streams.start_ns
    joints = [streams.joints(t, [1, np.nan, 0])]
    groups, synchroniser = feed(config, moment(streams, *joints))
    assert not groups
    assert synchroniser.rejected == {"joint states not finite": 1, f"missing {JOINTS}": 1}


def test_a_repeated_frame_counts_once(config, streams):
    stream = streams.robot(5)
    frame = next(m for m in stream if m.topic == "/front/image_raw")
    stream.insert(stream.index(frame) + 1, frame)
    groups, synchroniser = feed(config, stream)
    assert len(groups) == 5
    assert synchroniser.rejected == {"out of order front": 1}


def test_a_clock_set_back_starts_over_without_mixing(config, streams):
    later = streams.robot(30)
    again = streams.robot(5)[1:]
    groups, synchroniser = feed(config, later + again)
    assert len(groups) == 35
    assert synchroniser.rejected["clock set back"] >= 1
    for group in groups:
        assert max(group.stamps_ns.values()) - min(group.stamps_ns.values()) <= 60 * MS


def test_waiting_messages_stay_few(config, streams):
    synchroniser = Synchroniser(config)
    for message in streams.robot(200):
        synchroniser.add(message)
    assert all(len(source.items) < 60 for source in synchroniser._sources.values())


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("/joint_states", "undecodable joint states"),
        ("/front/image_raw", "undecodable front"),
        ("/instruction", "undecodable instruction"),
    ],
)
@pytest.mark.parametrize("data", [b"", b"\x00\x01\x00\x00", b"\x00\x01\x00\x00\x01\x02\x03"])
def test_a_message_of_too_few_bytes_is_counted(config, streams, topic, reason, data):
    synchroniser = Synchroniser(config)
    kinds = {m.topic: m.msgtype for m in streams.robot(3)}
    assert synchroniser.add(RawMessage(topic, kinds[topic], data)) == []
    assert synchroniser.rejected == {reason: 1}


def test_a_damaged_joint_state_is_counted(config, streams):
    message = streams.joints(streams.start_ns, [0, 0, 0])
    damaged = type(message)(message.topic, message.msgtype, message.data[:20])
    _, synchroniser = feed(config, [damaged])
    assert synchroniser.rejected == {"undecodable joint states": 1}
