# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from calib_tools.buffer import messages
from calib_tools.buffer.collector import Collector
from calib_tools.buffer.instructions import refusal_for
from calib_tools.buffer.messages import RawMessage
from quantvla_ros.errors import CalibrationBufferError

pytest.importorskip("rclpy")  # a picture is taken out of its message by ROS


def collect(config, stream, wanted=32):
    collector = Collector(config, wanted)
    for message in stream:
        collector.add(message)
    return collector.finish()


def test_samples_hold_the_pictures_losslessly(config, streams):
    samples, counts = collect(config, streams.robot(32), 32)
    assert len(samples) == 32
    assert counts.groups == 32
    assert (counts.near_duplicates, counts.surplus) == (0, 0)
    with Image.open(io.BytesIO(samples[2].pictures["wrist"])) as image:
        np.testing.assert_array_equal(np.array(image), streams.picture(11))


def test_a_robot_at_rest_gives_near_duplicates_and_a_refusal(config, streams):
    with pytest.raises(CalibrationBufferError, match=r"Only 1 usable.*32.*near-duplicates: 39"):
        collect(config, streams.robot(40, moving=False))


def test_every_group_is_accounted_for(config, streams):
    stream = streams.robot(60)
    stream = [m for i, m in enumerate(stream) if i % 9 != 4]
    samples, counts = collect(config, stream, 32)
    frames = sum(m.topic == "/front/image_raw" for m in stream)
    assert counts.groups == len(samples) + counts.near_duplicates + counts.surplus
    assert counts.groups + sum(counts.rejected.values()) == frames


def test_too_few_says_what_is_silent_and_what_was_rejected(config, streams):
    stream = [m for m in streams.robot(20) if m.topic != "/wrist/image_raw"]
    with pytest.raises(
        CalibrationBufferError, match=r"nothing on /wrist/image_raw; missing wrist: 20"
    ):
        collect(config, stream)


def test_unreadable_images_are_counted_and_explained(config, streams):
    stream = [
        streams.image(m.topic, streams.start_ns + i * 1_000_000, streams.picture(0), "bayer_rggb8")
        if m.topic == "/front/image_raw"
        else m
        for i, m in enumerate(streams.robot(20))
    ]
    with pytest.raises(CalibrationBufferError, match=r"unreadable image: \d+.*bayer_rggb8"):
        collect(config, stream)


def depth_png(streams, message):
    """The message's place in the stream, with a depth picture in it."""
    stream = io.BytesIO()
    Image.fromarray(np.full((48, 48), 900, np.uint16)).save(stream, "PNG")
    stamp = messages.header_stamp_ns(message.data)
    data = messages.compressed_image(stamp, "front", stream.getvalue())
    return RawMessage(message.topic, messages.COMPRESSED_TYPE, data)


def test_depth_pictures_are_refused_by_name(config, streams):
    stream = [
        depth_png(streams, m) if m.topic == "/front/image_raw" else m for m in streams.robot(20)
    ]
    with pytest.raises(
        CalibrationBufferError, match=r"unreadable image: 20.*/front/image_raw .* PNG of 16 bits"
    ):
        collect(config, stream)


def with_instructions(streams, *texts):
    """Episodes of 40 groups each, of different motion, each with an instruction of its own."""
    stream = streams.robot(40 * len(texts))[1:]
    size = len(stream) // len(texts)
    for i, text in enumerate(texts):
        yield streams.instruction(text)
        yield from stream[i * size : (i + 1) * size]


def test_an_instruction_that_is_too_long_is_left_out_by_name(config, streams):
    long = "put the butter in the basket " * 20
    samples, counts = collect(config, with_instructions(streams, "put the milk", long), 32)
    assert {s.instruction for s in samples} == {"put the milk"}
    (reason,) = counts.rejected
    assert reason.startswith("unusable instruction 'put the butter in the basket put")
    assert len(reason) < 100 and counts.rejected[reason] == 40


def test_nothing_but_too_long_instructions_is_a_refusal_with_both_numbers(config, streams):
    with pytest.raises(
        CalibrationBufferError,
        match=r"instruction 'xx.*: 40\); The instruction .* 600 bytes .* 512",
    ):
        collect(config, with_instructions(streams, "x" * 600))


def test_instructions_that_the_policy_cannot_know_are_left_out(config, streams, tiny_bundle):
    texts = ["put the milk in the basket", "nimm bitte Käse", "milk " * 9]
    collector = Collector(config, 32, refusal_for(tiny_bundle))
    for message in with_instructions(streams, *texts):
        collector.add(message)
    samples, counts = collector.finish()
    assert {s.instruction for s in samples} == {texts[0]}
    assert counts.rejected == {
        "unusable instruction 'nimm bitte Käse'": 40,
        "unusable instruction 'milk milk milk milk milk milk milk milk milk'": 40,
    }


def test_fewer_samples_than_useful_are_refused_at_once(config):
    with pytest.raises(CalibrationBufferError, match="--samples"):
        Collector(config, 31)


def test_two_streams_are_not_mixed(config, streams):
    collector = Collector(config, 32)
    for message in streams.robot(15):
        collector.add(message)
    collector.new_stream()
    # The second bag has no instruction: the first one's must not leak into it.
    for message in streams.robot(15)[1:]:
        collector.add(message)
    with pytest.raises(CalibrationBufferError, match="no instruction: 15"):
        collector.finish()
