# SPDX-License-Identifier: Apache-2.0
"""Stamps are read without deserializing; frames of both transports arrive and decode."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from PIL import Image as PillowImage
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image, JointState
from std_msgs.msg import String
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.conversion import rgb_to_image
from quantvla_ros.nodes.inputs import POLL_S, Inputs, serialized_stamp
from quantvla_ros.nodes.qos import CLOCK, LATCHED, SENSOR
from quantvla_ros.serving.input_buffer import InputBuffer
from quantvla_ros.serving.input_types import Frame, Gates

GATES = Gates(camera_age=1.0, joint_age=1.0, skew=1.0, future=1.0, frozen=0.0)
PICTURE = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


@pytest.mark.parametrize("kind", [Image, CompressedImage])
def test_stamp_of_a_serialized_message(kind):
    message = kind()
    message.header.stamp = Time(sec=1_700_000_123, nanosec=450_000_000)
    message.header.frame_id = "camera"
    assert serialized_stamp(serialize_message(message)) == pytest.approx(1_700_000_123.45)


def png() -> CompressedImage:
    stream = io.BytesIO()
    PillowImage.fromarray(PICTURE).save(stream, "PNG")
    message = CompressedImage(format="png", data=stream.getvalue())
    message.header.stamp = Time(sec=3)
    return message


@pytest.mark.parametrize(
    ("transport", "topic", "message"),
    [
        ("raw", "top/image_raw", rgb_to_image(PICTURE, 3.0, "top")),
        ("compressed", "top/image_raw/compressed", png()),
    ],
)
def test_frame_arrives_and_decodes(graph, transport, topic, message):
    errors = []
    inputs = Inputs(graph.node, errors.append)
    buffer = InputBuffer(["top"], ["a"], lambda: GATES)
    inputs.connect(buffer, transport)
    assert inputs.camera_topic("top") == f"/{topic}"
    publisher = graph.publisher(type(message), topic, SENSOR)

    def arrived():
        publisher.publish(message)
        return buffer.frame("top")

    frame = wait_until(arrived, 10, "the frame")
    assert frame.stamp == 3.0
    assert np.array_equal(inputs.decode("top", frame), PICTURE)
    inputs.close()
    assert errors == []


@pytest.mark.parametrize("first", [Time(sec=1), Time(sec=-5)])
def test_clock_of_a_simulation_goes_on_whatever_came_before(graph, first):
    graph.node.set_parameters([Parameter("use_sim_time", value=True)])
    errors = []
    inputs = Inputs(graph.node, errors.append)
    inputs.connect(InputBuffer(["top"], ["a"], lambda: GATES), "raw")
    publisher = graph.publisher(Clock, "/clock", CLOCK)
    try:
        publisher.publish(Clock(clock=first))
        time.sleep(20 * POLL_S)  # it is taken before the next one replaces it
        for seconds in (50, 51):

            def arrived(seconds=seconds):
                publisher.publish(Clock(clock=Time(sec=seconds)))
                return graph.node.get_clock().now().nanoseconds == seconds * 1_000_000_000

            wait_until(arrived, 10, f"{seconds} s on the node's clock")
    finally:
        inputs.close()
    assert errors == []


@pytest.mark.parametrize(
    ("kind", "topic", "qos", "data", "counted"),
    [
        (Image, "top/image_raw", SENSOR, b"\x00\x01\x00\x00\x05", "damaged_top"),
        (JointState, "joint_states", SENSOR, b"\x00\x01" + b"\xff" * 30, "damaged_joint_states"),
        (String, "instruction", LATCHED, b"\x00\x01" + b"\xff" * 6, "damaged_instruction"),
    ],
)
def test_damaged_bytes_are_counted_and_end_nothing(graph, kind, topic, qos, data, counted):
    errors = []
    inputs = Inputs(graph.node, errors.append)
    buffer = InputBuffer(["top"], ["a"], lambda: GATES)
    inputs.connect(buffer, "raw")
    publisher = graph.publisher(kind, topic, qos)

    def refused():
        publisher.publish(data)
        return buffer.skipped[counted]

    wait_until(refused, 10, "the damaged message")
    inputs.close()
    assert errors == []


def test_texts_come_from_whoever_publishes_and_what_does_not_fit_is_told(graph, stranger):
    inputs = Inputs(graph.node, lambda error: None)
    buffer = InputBuffer(["told"], ["a"], lambda: GATES)
    inputs.connect(buffer, "raw")
    stranger.publisher(CompressedImage, "told/image_raw")
    # As a tool publishes that knows nothing of transient local.
    publishers = [stranger.publisher(String, name) for name in ("instruction", "robot_description")]

    def came():
        inputs.graph.look()
        for publisher in publishers:
            publisher.publish(String(data="swing"))
        return (buffer.instruction, inputs.robot_description) == ("swing", "swing")

    wrong = (
        "/stranger publishes sensor_msgs/msg/CompressedImage there, and needed is "
        "sensor_msgs/msg/Image"
    )
    try:
        wait_until(came, 20, "both texts")
        wait_until(lambda: came() and buffer.misfits == {"told": wrong}, 20, "the misfit")
        assert buffer.sources()[0].trouble == wrong
        assert inputs.graph.nothing_arrived("told", 2.0) == (
            f"Nothing arrived on /told/image_raw in 2 s: {wrong}; set image_transport to "
            "'compressed' and remap told/image_raw/compressed to /told/image_raw."
        )
    finally:
        inputs.close()


def test_frame_whose_bytes_are_no_image_is_refused_by_name(graph):
    inputs = Inputs(graph.node, lambda error: None)
    inputs.connect(InputBuffer(["top"], ["a"], lambda: GATES), "raw")
    with pytest.raises(QuantVLAError, match="on /top/image_raw is no valid Image"):
        inputs.decode("top", Frame(1.0, bytes(12)))
    inputs.close()
