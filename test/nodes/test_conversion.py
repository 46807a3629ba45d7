# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import array
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image as PillowImage

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes import conversion
from quantvla_ros.serving.stamps import seconds_of

messages = pytest.importorskip("sensor_msgs.msg")

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
TOPIC = "/front/image_raw"


def image(pixels, encoding, padding=0):
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    message = messages.Image(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.data = array.array("B", rows.tobytes())
    return message


def with_alpha(pixels):
    return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 9, np.uint8)], axis=2)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize(
    ("encoding", "sent"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[:, :, ::-1]),
        ("rgba8", with_alpha(RGB)),
        ("bgra8", with_alpha(RGB[:, :, ::-1])),
    ],
)
def test_colour_encodings_become_rgb_whatever_the_padding_of_the_rows(encoding, sent, padding):
    result = conversion.image_to_rgb(image(sent, encoding, padding), TOPIC)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, RGB)


def test_grey_is_repeated():
    result = conversion.image_to_rgb(image(RGB[:, :, 0], "mono8", 2), TOPIC)
    np.testing.assert_array_equal(result, np.repeat(RGB[:, :, :1], 3, axis=2))


def test_another_encoding_is_refused_by_name_without_cv_bridge(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    with pytest.raises(QuantVLAError, match=r"/front/image_raw.*'bayer_rggb8'.*cv_bridge"):
        conversion.image_to_rgb(image(RGB[:, :, 0], "bayer_rggb8"), TOPIC)


def test_another_encoding_goes_through_cv_bridge_when_it_is_there(monkeypatch):
    class Bridge:
        def imgmsg_to_cv2(self, message, encoding):
            assert (message.encoding, encoding) == ("bayer_rggb8", "rgb8")
            return RGB

    module = type(sys)("cv_bridge")
    module.CvBridge = Bridge
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    result = conversion.image_to_rgb(image(RGB[:, :, 0], "bayer_rggb8"), TOPIC)
    np.testing.assert_array_equal(result, RGB)


@pytest.mark.parametrize("change", [{"height": 6}, {"step": 20}, {"width": 8}, {"height": 0}])
def test_sizes_that_do_not_fit_the_data_are_refused(change):
    message = image(RGB, "rgb8")
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(QuantVLAError, match="/front/image_raw"):
        conversion.image_to_rgb(message, TOPIC)


def test_rgb_goes_into_a_message_and_back():
    message = conversion.rgb_to_image(RGB, 12.25, "front_optical_frame")
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 250_000_000)
    assert message.header.frame_id == "front_optical_frame"
    assert (message.height, message.width, message.step) == (5, 7, 21)
    np.testing.assert_array_equal(conversion.image_to_rgb(message, TOPIC), RGB)


def compressed(kind, pixels):
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, kind)
    return messages.CompressedImage(format=kind.lower(), data=buffer.getvalue())


def test_png_is_decoded_exactly():
    result = conversion.compressed_image_to_rgb(compressed("PNG", RGB), TOPIC)
    np.testing.assert_array_equal(result, RGB)


def test_jpeg_is_decoded_with_red_first():
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 200
    result = conversion.compressed_image_to_rgb(compressed("JPEG", red), TOPIC)
    np.testing.assert_allclose(result, red, atol=4)


@pytest.mark.parametrize("cut", [0, 20])
def test_a_damaged_compressed_image_is_refused(cut):
    message = compressed("PNG", RGB)
    message.data = array.array("B", bytes(message.data)[:cut])
    with pytest.raises(QuantVLAError, match=r"/front/image_raw .*JPEG or PNG"):
        conversion.compressed_image_to_rgb(message, TOPIC)


@pytest.mark.parametrize("side", [8_000, 20_000])
def test_a_picture_that_says_it_is_huge_is_refused_and_not_decoded(side):
    message = compressed("PNG", RGB)
    data = bytearray(message.data)
    data[16:24] = struct.pack(">II", side, side)  # width and height in the header ...
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))  # ... and its checksum
    message.data = array.array("B", bytes(data))
    with pytest.raises(QuantVLAError, match=r"/front/image_raw .*JPEG or PNG"):
        conversion.compressed_image_to_rgb(message, TOPIC)


EIGHT_BITS = "publish a colour or grey picture of 8 bits there"
DEEP = ["mono16", "rgb16", "bgr16", "rgba16", "bgra16", "bayer_rggb16", "16UC1", "16SC1", "16UC3",
        "32SC1", "32FC1", "32FC3", "64FC1", "16UC", "Z16", "Y16"]  # fmt: skip


@pytest.mark.parametrize("encoding", DEEP)
def test_depth_and_deep_pictures_are_refused_by_name_even_with_cv_bridge(monkeypatch, encoding):
    module = type(sys)("cv_bridge")
    module.CvBridge = lambda: pytest.fail("it would scale or cut the picture")
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    message = image(RGB[:, :, :2], encoding)
    with pytest.raises(QuantVLAError, match=rf"/front/image_raw .*'{encoding}'.*{EIGHT_BITS}"):
        conversion.image_to_rgb(message, TOPIC)


@pytest.mark.parametrize("encoding", ["8UC3", "yuv422_yuy2", "uyvy", "nv21", "bayer_rggb8", ""])
def test_other_encodings_of_eight_bits_are_left_to_cv_bridge(monkeypatch, encoding):
    module = type(sys)("cv_bridge")
    module.CvBridge = lambda: type("Bridge", (), {"imgmsg_to_cv2": lambda *_: RGB})()
    monkeypatch.setitem(sys.modules, "cv_bridge", module)
    result = conversion.image_to_rgb(image(RGB[:, :, 0], encoding), TOPIC)
    np.testing.assert_array_equal(result, RGB)


def png_of_16_bits(colour: int) -> bytes:
    """5x7 pixels of 16 bits a value; `colour` as PNG counts: 0 grey, 2 RGB, 4 grey + alpha, 6."""
    values = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = RGB.astype(">u2")[:, :, :1].repeat(values, axis=2) * 20 + 300
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 7, 5, 16, colour, 0, 0, 0),
        b"IDAT": zlib.compress(data),
        b"IEND": b"",
    }
    written = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


@pytest.mark.parametrize("name", ["png", "16UC1; png compressed ", "rgb8; png compressed bgr8"])
@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_a_png_of_16_bits_is_refused_whatever_it_is_called(name, colour):
    data = png_of_16_bits(colour)
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.size == (7, 5) and picture.load()  # the file itself is sound
    message = messages.CompressedImage(format=name, data=data)
    with pytest.raises(QuantVLAError, match=rf"/front/image_raw .*'{name}'.*{EIGHT_BITS}"):
        conversion.compressed_image_to_rgb(message, TOPIC)


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("16UC1; compressedDepth png", bytes(12)),
        ("32FC1; compressedDepth rvl", bytes(12)),
        ("compressedDepth", bytes(12)),
        ("32FC1; tiff compressed ", b"II*\0"),
        ("mono16; tiff compressed ", b"MM\0*"),
        ("mono16; jpeg compressed mono8", b"\xff\xd8"),
    ],
)
def test_compressed_depth_is_refused_by_name(name, before):
    message = messages.CompressedImage(format=name, data=before + png_of_16_bits(0))
    with pytest.raises(QuantVLAError, match=rf"/front/image_raw .*'{name}'.*{EIGHT_BITS}"):
        conversion.compressed_image_to_rgb(message, TOPIC)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_other_compressions_are_refused_by_name(kind):
    with pytest.raises(QuantVLAError, match=rf"/front/image_raw .*'{kind.lower()}'.*JPEG or PNG"):
        conversion.compressed_image_to_rgb(compressed(kind, RGB), TOPIC)


def test_grey_jpeg_and_png_are_repeated():
    for kind in ("JPEG", "PNG"):
        result = conversion.compressed_image_to_rgb(compressed(kind, RGB[:, :, 0]), TOPIC)
        assert result.shape == RGB.shape
        np.testing.assert_array_equal(result[:, :, 0], result[:, :, 2])


def test_a_jpeg_is_turned_as_its_exif_says():
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # the top of the picture is its right side
    buffer = io.BytesIO()
    half = np.zeros((16, 32, 3), np.uint8)
    half[:, 16:] = 200
    PillowImage.fromarray(half).save(buffer, "JPEG", exif=exif)
    message = messages.CompressedImage(format="jpeg", data=buffer.getvalue())
    result = conversion.compressed_image_to_rgb(message, TOPIC)
    assert result.shape == (32, 16, 3)
    assert result[:8].mean() < 10 and result[-8:].mean() > 190


@pytest.mark.parametrize("seconds", [0.0, 0.1, 59.999999999, 1.75e9 + 0.123456])
def test_stamps_go_there_and_back(seconds):
    stamp = conversion.seconds_to_stamp(seconds)
    assert 0 <= stamp.nanosec < 1_000_000_000
    assert seconds_of(stamp) == pytest.approx(seconds, abs=5e-7, rel=0)
