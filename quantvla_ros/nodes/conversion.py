# SPDX-License-Identifier: Apache-2.0
"""ROS messages to numpy and back."""

from __future__ import annotations

import array
import io
import re

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration, Time
from sensor_msgs.msg import CompressedImage, Image

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.observation import MOST_PIXELS

RgbImage = npt.NDArray[np.uint8]

_RGB_CHANNELS = {
    "rgb8": (3, [0, 1, 2]),
    "bgr8": (3, [2, 1, 0]),
    "rgba8": (4, [0, 1, 2]),
    "bgra8": (4, [2, 1, 0]),
    "mono8": (1, [0, 0, 0]),
}
"""Encoding -> bytes in a pixel, and which of them are red, green and blue."""

_DEEP = re.compile(r"(rgba?|bgra?|mono|bayer_[a-z]{4})16|(16|32|64)[USF](C\d*)?|[YZ]16", re.I)
"""Encodings of depth and of more than 8 bits a value."""
_PNG_START, _PNG_DEPTH = b"\x89PNG\r\n\x1a\n", 24  # offset of the bits a value


def seconds_to_stamp(seconds: float) -> Time:
    """Return a time in s as a stamp."""
    whole, nanoseconds = _split(seconds)
    return Time(sec=whole, nanosec=nanoseconds)


def seconds_to_duration(seconds: float) -> Duration:
    """Return a span in s as a message."""
    whole, nanoseconds = _split(seconds)
    return Duration(sec=whole, nanosec=nanoseconds)


def _split(seconds: float) -> tuple[int, int]:
    return divmod(round(seconds * 1e9), 1_000_000_000)


def image_to_rgb(message: Image, source: str) -> RgbImage:
    """Return the picture as uint8 [height, width, 3], red first; it may share the message's memory.

    Args:
        message: any encoding of `_RGB_CHANNELS`, or one that cv_bridge knows if it is installed.
        source: the topic, for the error sentence.

    Raises:
        QuantVLAError: a depth picture, more than 8 bits a value, another encoding that cannot be
            converted, or data that is too short for its size.
    """
    # cv_bridge would scale or cut them: no picture that a policy was trained on.
    _refuse_deep(message.encoding, f"The image on {source}")
    if message.encoding not in _RGB_CHANNELS:
        return _convert_by_cv_bridge(message, source)
    width, order = _RGB_CHANNELS[message.encoding]
    row = message.width * width
    if not row or not message.height or message.step < row:
        raise QuantVLAError(
            f"The image on {source} says {message.width}x{message.height} {message.encoding} with "
            f"rows of {message.step} bytes, which cannot be; look at its driver."
        )
    data = np.frombuffer(message.data, dtype=np.uint8)
    if data.size < message.step * message.height:
        raise QuantVLAError(
            f"The image on {source} has {data.size} bytes, but {message.height} rows of "
            f"{message.step} bytes were announced; look at its driver."
        )
    rows = data[: message.step * message.height].reshape(message.height, message.step)[:, :row]
    pixels = rows.reshape(message.height, message.width, width)
    return pixels if message.encoding == "rgb8" else np.ascontiguousarray(pixels[:, :, order])


def _refuse_deep(encoding: str, what: str) -> None:
    if _DEEP.fullmatch(encoding):
        raise QuantVLAError(
            f"{what} has the encoding '{encoding}': a depth picture or one of more than 8 bits a "
            "value; publish a colour or grey picture of 8 bits there."
        )


def _convert_by_cv_bridge(message: Image, source: str) -> RgbImage:
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        raise QuantVLAError(
            f"The image on {source} has the encoding '{message.encoding}'; without cv_bridge only "
            f"{', '.join(_RGB_CHANNELS)} can be read: install cv_bridge or change the driver."
        ) from error
    try:
        return np.asarray(CvBridge().imgmsg_to_cv2(message, "rgb8"), dtype=np.uint8)
    except Exception as error:  # cv_bridge and OpenCV raise types of their own
        raise QuantVLAError(
            f"cv_bridge cannot convert the encoding '{message.encoding}' of the image on {source}: "
            f"{error}"
        ) from error


def compressed_image_to_rgb(message: CompressedImage, source: str) -> RgbImage:
    """Decode a JPEG or PNG into uint8 [height, width, 3], red first, upright as its EXIF says.

    Args:
        message: the picture.
        source: the topic, for the error sentence.

    Raises:
        QuantVLAError: a depth picture, more than 8 bits a value, not a JPEG or PNG, or damaged.
    """
    from PIL import Image as PillowImage
    from PIL import ImageOps

    what = f"The compressed image on {source} (format '{message.format}')"
    # image_transport writes "<encoding of the camera>; <how it was compressed>".
    _refuse_deep(message.format.split(";")[0].strip(), what)
    if "compresseddepth" in message.format.lower():
        raise QuantVLAError(
            f"{what} is a depth picture; publish a colour or grey picture of 8 bits there."
        )
    data = bytes(message.data)
    if data.startswith(_PNG_START) and data[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10":
        # Pillow turns grey of 16 bits all white, and drops half of the bits of colour.
        raise QuantVLAError(
            f"{what} is a PNG of 16 bits a value, as depth cameras send; publish a colour or grey "
            "picture of 8 bits there."
        )
    try:
        with PillowImage.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError("a picture larger than any camera's")
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, PillowImage.DecompressionBombError) as error:
        raise QuantVLAError(
            f"{what} is no readable JPEG or PNG; set its transport to one of them."
        ) from error


def rgb_to_image(pixels: RgbImage, stamp: float, frame_id: str) -> Image:
    """Return uint8 [height, width, 3], red first, as an rgb8 message stamped `stamp` (s)."""
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding="rgb8")
    message.step = 3 * pixels.shape[1]
    message.header.stamp = seconds_to_stamp(stamp)
    message.header.frame_id = frame_id
    # Any other type is checked element by element by the setter: tens of ms.
    message.data = array.array("B", pixels.tobytes())
    return message
