# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from calib_tools.buffer import messages
from calib_tools.buffer.messages import (
    RawMessage,
    UndecodableError,
    decode,
    decode_image,
    encode_png,
    header_stamp_ns,
)
from quantvla_ros.errors import QuantVLAError

pytest.importorskip("rclpy")  # a picture is taken out of its message by ROS


def test_stamp_of_every_message_with_a_header(streams):
    stamp = 1_763_900_000_123_456_789
    for message in (
        streams.joints(stamp, [0, 0, 0]),
        streams.image("/front/image_raw", stamp, streams.picture(0)),
    ):
        assert header_stamp_ns(message.data) == stamp
    assert header_stamp_ns(messages.compressed_image(stamp, "x", b"abc")) == stamp


def test_big_endian_stamp():
    data = b"\x00\x00\x00\x00" + (7).to_bytes(4, "big") + (9).to_bytes(4, "big")
    assert header_stamp_ns(data) == 7_000_000_009


def test_raw_and_compressed_images_give_the_same_pixels(streams):
    pixels = streams.picture(3)
    raw = decode_image(streams.image("/a", 1, pixels))
    packed = RawMessage(
        "/a", messages.COMPRESSED_TYPE, messages.compressed_image(1, "a", encode_png(pixels))
    )
    np.testing.assert_array_equal(raw, pixels)
    np.testing.assert_array_equal(decode_image(packed), pixels)


def test_bgr_is_turned_to_rgb(streams):
    pixels = streams.picture(3)
    message = streams.image("/a", 1, pixels[..., ::-1], "bgr8")
    np.testing.assert_array_equal(decode_image(message), pixels)


def test_png_is_lossless_and_repeats(streams):
    pixels = np.random.default_rng(0).integers(0, 255, (31, 17, 3), dtype=np.uint8)
    png = encode_png(pixels)
    assert encode_png(pixels.copy()) == png
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.array(image), pixels)


def test_unknown_encoding_names_topic_and_encoding(streams):
    message = streams.image("/front/image_raw", 1, streams.picture(0), "yuv422_yuy2")
    with pytest.raises(QuantVLAError, match=r"/front/image_raw.*yuv422_yuy2"):
        decode_image(message)


def test_bytes_that_are_no_message():
    with pytest.raises(UndecodableError, match=r"/joint_states.*JointState"):
        decode(RawMessage("/joint_states", "sensor_msgs/msg/JointState", b"\x00\x01\x00\x00abc"))
