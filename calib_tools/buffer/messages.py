# SPDX-License-Identifier: Apache-2.0
"""Serialized ROS messages in and out, without ROS: live topics and bags give the same bytes."""

from __future__ import annotations

import functools
import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.sources import IMAGE_TYPES, JOINT_STATE_TYPE, STRING_TYPE
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

IMAGE_TYPE, COMPRESSED_TYPE = IMAGE_TYPES
_PNG_LEVEL = 4  # smaller levels grow the file, larger ones cost more time than they save


class UndecodableError(QuantVLAError):
    """Bytes that are no message of the type they should be."""


@dataclass(frozen=True)
class RawMessage:
    """One message as it came in.

    Attributes:
        topic: full topic name.
        msgtype: for example "sensor_msgs/msg/Image".
        data: CDR with its encapsulation header.
        number: that its publisher gave it; None where that is not known, as in a bag.
    """

    topic: str
    msgtype: str
    data: bytes
    number: int | None = None


@functools.cache
def type_store() -> Typestore:
    """Definitions of the standard messages (the same from Humble on for those used here)."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)


def header_stamp_ns(data: bytes) -> int:
    """Stamp of a serialized message whose first field is a std_msgs/Header, in ns.

    Raises:
        UndecodableError: the bytes are too few for one.
    """
    if len(data) < 12:
        raise UndecodableError(f"{len(data)} bytes are too few for a message with a header")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def decode(message: RawMessage) -> Any:
    """Deserialize a message.

    Raises:
        UndecodableError: the bytes are no such message.
    """
    try:
        return type_store().deserialize_cdr(message.data, message.msgtype)
    except Exception as error:  # rosbags raises whatever its generated code meets
        raise UndecodableError(
            f"A message on '{message.topic}' is no valid {message.msgtype}."
        ) from error


def decode_image(message: RawMessage) -> NDArray[np.uint8]:
    """Pixels of an Image or CompressedImage as the node sees them: RGB, uint8 [height, width, 3].

    Raises:
        QuantVLAError: unknown encoding or damaged content; names the topic.
    """
    from quantvla_ros.nodes.conversion import compressed_image_to_rgb, image_to_rgb

    convert: Any = compressed_image_to_rgb if message.msgtype == COMPRESSED_TYPE else image_to_rgb
    pixels: NDArray[np.uint8] = convert(decode(message), message.topic)
    return np.ascontiguousarray(pixels)


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """Lossless PNG of RGB pixels, uint8 [height, width, 3]; equal pixels give equal bytes."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=_PNG_LEVEL)
    return stream.getvalue()


def _header(stamp_ns: int, frame: str) -> Any:
    types = type_store().types
    seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
    stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame)


def serialize(message: Any, msgtype: str) -> bytes:
    """Serialize a message of the type store as CDR."""
    return bytes(type_store().serialize_cdr(message, msgtype))


def compressed_image(stamp_ns: int, frame: str, png: bytes) -> bytes:
    """A serialized CompressedImage with a PNG picture."""
    make = type_store().types[COMPRESSED_TYPE]
    data = np.frombuffer(png, np.uint8)
    return serialize(
        make(header=_header(stamp_ns, frame), format="png", data=data), COMPRESSED_TYPE
    )


def image(stamp_ns: int, frame: str, pixels: NDArray[np.uint8]) -> bytes:
    """A serialized Image of RGB pixels, uint8 [height, width, 3]."""
    make = type_store().types[IMAGE_TYPE]
    height, width, _ = pixels.shape
    return serialize(
        make(
            header=_header(stamp_ns, frame),
            height=height,
            width=width,
            encoding="rgb8",
            is_bigendian=0,
            step=3 * width,
            data=pixels.reshape(-1),
        ),
        IMAGE_TYPE,
    )


def joint_state(
    stamp_ns: int, names: list[str], position: NDArray[np.float64], velocity: NDArray[np.float64]
) -> bytes:
    """A serialized JointState (rad, m; rad/s, m/s)."""
    make = type_store().types[JOINT_STATE_TYPE]
    return serialize(
        make(
            header=_header(stamp_ns, ""),
            name=names,
            position=position,
            velocity=velocity,
            effort=np.zeros(0),
        ),
        JOINT_STATE_TYPE,
    )


def string(text: str) -> bytes:
    """A serialized String."""
    return serialize(type_store().types[STRING_TYPE](data=text), STRING_TYPE)
