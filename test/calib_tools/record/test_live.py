# SPDX-License-Identifier: Apache-2.0
"""Recording over a real ROS graph."""

from __future__ import annotations

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from support.ros_graph import Stranger
from support.streaming_robot import StreamingRobot

from calib_tools.buffer.messages import header_stamp_ns
from calib_tools.buffer.store import load_buffer
from calib_tools.record.live import record
from quantvla_ros.errors import CalibrationBufferError, OutputExistsError, QuantVLAError

STATES = "/joint_states"
LONG = 1000  # frames: longer than any recording here


def test_live_topics_become_a_buffer(tmp_path, config, streams):
    with StreamingRobot(streams.robot(LONG)):
        description = record(config, tmp_path / "buffer", 32, 60.0, force=False)
    buffer = load_buffer(tmp_path / "buffer")
    assert len(buffer.samples) == description.selection.kept == 32
    assert description.origin == ["live topics"]
    for sample in buffer.samples:
        tick = round((sample.stamp - streams.start_ns * 1e-9) / 0.02)
        assert tick % 5 == 0
        np.testing.assert_array_equal(sample.images["front"], streams.picture(tick))
        np.testing.assert_array_equal(sample.images["wrist"], streams.picture(tick + 1))
        assert sample.joints[0] == pytest.approx(0.02 * tick, abs=0.03)
        assert sample.instruction == "put the milk in the basket"


def test_a_topic_without_a_publisher_is_named_with_the_seconds(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    topics = {"/front/image_raw", "/joint_states", "/instruction"}
    with (
        StreamingRobot(streams.robot(LONG), topics),
        pytest.raises(QuantVLAError, match="on /wrist/image_raw in 2 s: it has no publisher"),
    ):
        record(quick, tmp_path / "buffer", 32, 60.0, force=False)
    assert not list(tmp_path.iterdir())


def test_a_topic_with_a_silent_publisher_is_named_with_the_seconds(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = streams.robot(LONG)
    wrist = [m for m in stream if m.topic == "/wrist/image_raw"]
    silent = [m for m in stream if m.topic != "/wrist/image_raw"]
    # The wrist camera has a publisher, and its first frame comes after all others.
    with (
        StreamingRobot([*silent, wrist[0]]),
        pytest.raises(QuantVLAError, match="on /wrist/image_raw in 2 s: /robot publishes it and"),
    ):
        record(quick, tmp_path / "buffer", 1000, 60.0, force=False)
    assert not list(tmp_path.iterdir())


def test_a_topic_of_another_type_is_named(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = [m for m in streams.robot(50) if m.topic != "/wrist/image_raw"]
    stream.insert(0, type(stream[0])("/wrist/image_raw", stream[0].msgtype, stream[0].data))
    with (
        StreamingRobot(stream),
        pytest.raises(QuantVLAError, match="/robot publishes std_msgs/msg/String there, and"),
    ):
        record(quick, tmp_path / "buffer", 32, 60.0, force=False)


def test_pictures_that_cannot_be_read_end_it_soon_and_by_name(tmp_path, config, streams):
    quick = config.model_copy(update={"first_message_timeout_s": 1.0})
    stream = [
        streams.image(m.topic, header_stamp_ns(m.data), streams.picture(0)[:, :, :2], "16UC1")
        if m.topic == "/wrist/image_raw"
        else m
        for m in streams.robot(LONG)
    ]
    with (
        StreamingRobot(stream),
        pytest.raises(
            QuantVLAError, match=r"on /wrist/image_raw has the encoding '16UC1': a depth"
        ),
    ):
        record(quick, tmp_path / "buffer", 1000, 1000.0, force=False)  # the test's time is less
    assert not list(tmp_path.iterdir())


def joints_sent_as(streams, change):
    """What a robot sends, with every joint state changed."""
    for message in streams.robot(LONG):
        if message.topic == "/joint_states":
            message = change(header_stamp_ns(message.data))
        yield message


@pytest.mark.parametrize(
    ("names", "positions", "sentence"),
    [
        (
            ["left_shoulder", "left_elbow", "left_finger"],
            [0.1, 0.2, 0.3],
            "The configuration's joints are shoulder, elbow, finger; /joint_states has left_elbow, "
            "left_finger, left_shoulder; missing: shoulder, elbow, finger.",
        ),
        (
            ["shoulder", "elbow"],
            [0.1, 0.2],
            "The configuration's joints are shoulder, elbow, finger; /joint_states has elbow, "
            "shoulder; missing: finger.",
        ),
        (["shoulder", "elbow", "finger"], [], "Nothing that came is usable (joint states with"),
    ],
    ids=["prefixed", "missing", "without positions"],
)
def test_joints_that_do_not_fit_end_it_soon_and_by_name(
    tmp_path, config, streams, names, positions, sentence
):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = joints_sent_as(streams, lambda stamp: streams.joints(stamp, positions, names))
    with StreamingRobot(list(stream)), pytest.raises(QuantVLAError) as error:
        record(quick, tmp_path / "buffer", 1000, 1000.0, force=False)  # the test's time is less
    assert str(error.value).startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_cameras_and_instructions_of_any_qos_are_recorded(tmp_path, config, streams):
    """As cameras that keep their last frame and tools that keep nothing offer them."""
    stream = streams.robot(LONG)
    instruction = stream[0]
    for place in range(len(stream) - 1, 0, -100):
        stream.insert(place, instruction)
    qos = {
        "/front/image_raw": (DurabilityPolicy.TRANSIENT_LOCAL, ReliabilityPolicy.BEST_EFFORT),
        "/wrist/image_raw": (DurabilityPolicy.VOLATILE, ReliabilityPolicy.RELIABLE),
        "/instruction": (DurabilityPolicy.VOLATILE, ReliabilityPolicy.RELIABLE),
    }
    other = Stranger()
    try:
        other.publisher(CompressedImage, "/front/image_raw")  # silent, and of another type
        with StreamingRobot(stream, qos=qos):
            record(config, tmp_path / "buffer", 32, 60.0, force=False)
    finally:
        other.close()
    assert len(load_buffer(tmp_path / "buffer").samples) == 32


def test_the_time_is_over_with_too_few_samples(tmp_path, config, streams):
    with (
        StreamingRobot(streams.robot(LONG, moving=False)),
        pytest.raises(CalibrationBufferError, match=r"Only 1 usable.*near-duplicates"),
    ):
        record(config, tmp_path / "buffer", 32, 3.0, force=False)
    assert not list(tmp_path.iterdir())


def test_two_publishers_of_the_same_joints_make_no_buffer_although_they_agree(
    tmp_path, config, streams
):
    """Which of them is the robot nobody can know, and the next moment they may differ."""
    stream = streams.robot(LONG)
    with (
        StreamingRobot(stream),
        StreamingRobot(stream, {STATES}),
        pytest.raises(CalibrationBufferError, match=r"joint states of two publishers: \d+"),
    ):
        record(config, tmp_path / "buffer", 1000, 3.0, force=False)
    assert not list(tmp_path.iterdir())


def test_recording_ends_soon_when_zeros_are_published_beside_the_joint_states(
    tmp_path, config, streams
):
    quick = config.model_copy(update={"first_message_timeout_s": 2.0})
    stream = streams.robot(LONG)
    zeros = [
        streams.joints(header_stamp_ns(m.data), [2.0, -2.0, 0.0]) if m.topic == STATES else m
        for m in stream
    ]
    with (
        StreamingRobot(stream),
        StreamingRobot(zeros, {STATES}),
        pytest.raises(QuantVLAError, match=r"(?i)joint '.*second node publish on /joint_states"),
    ):
        record(quick, tmp_path / "buffer", 1000, 600.0, force=False)
    assert not list(tmp_path.iterdir())


def test_an_existing_output_is_refused_before_waiting(tmp_path, config):
    (tmp_path / "buffer").mkdir()
    with pytest.raises(OutputExistsError):
        record(config, tmp_path / "buffer", 32, 60.0, force=False)
