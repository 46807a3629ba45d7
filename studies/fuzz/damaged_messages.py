# SPDX-License-Identifier: Apache-2.0
"""Messages that a policy node must refuse: damaged bytes, or sound ones with wrong content."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from calib_tools.buffer.messages import (
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    RawMessage,
    decode,
    serialize,
    string,
    type_store,
)
from calib_tools.buffer.sources import JOINT_STATE_TYPE, STRING_TYPE
from studies.fuzz.mutation import damaged_picture, mutate_bytes

CLOCK_TYPE = "rosgraph_msgs/msg/Clock"
WIRE_SHARE = 0.4  # of the messages are damaged as bytes, the others are sound and wrongly filled

Rng = np.random.Generator

_NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e300, -1e9, 100.0, 0.0)
_SIZES = (0, 1, 7, 95, 97, 4096, 2**31, 2**32 - 1)
_ENCODINGS = ("", "rgb8", "bgr8", "mono8", "rgba8", "16UC1", "bayer_rggb8", "yuv422", "\u2028")
_FORMATS = ("jpeg", "rgb8; jpeg compressed bgr8", "png", "16UC1; compressedDepth png", "", "\u2028")
_TEXTS = ("", " ", "\x01" * 100, "put " * 2000, "\u2028\ufeff", "put the nothing in the nowhere")
_DESCRIPTIONS = ("", "<", "<robot/>", "<robot name='x'><joint/></robot>", "no xml at all")


def damaged(message: RawMessage, now: float, rng: Rng) -> bytes:
    """A damaged copy of a sound message, with a stamp around the time `now` (s) or a wild one."""
    data = _DAMAGES[message.msgtype](message, now, rng)
    return mutate_bytes(data, rng) if rng.random() < WIRE_SHARE else data


def _stamp(message: Any, now: float, rng: Rng) -> None:
    wild = (0.0, -1.0, now - 100.0, now + 100.0, 2.0**31 - 1)
    choice = int(rng.integers(2 * len(wild)))
    seconds = wild[choice] if choice < len(wild) else now
    message.header.stamp.sec = int(seconds // 1)
    message.header.stamp.nanosec = int((seconds % 1) * 1e9)
    if rng.random() < 0.05:
        message.header.stamp.nanosec = 2**32 - 1


def _joint_state(source: RawMessage, now: float, rng: Rng) -> bytes:
    message = decode(source)
    _stamp(message, now, rng)
    count = len(message.name)
    at = int(rng.integers(count))
    match int(rng.integers(7)):
        case 0:
            message.position = _replaced(message.position, at, rng)
        case 1:
            message.velocity = _replaced(message.velocity, at, rng)
        case 2:
            message.position = message.position[: int(rng.integers(count))]
        case 3:
            message.velocity = np.resize(message.velocity, int(rng.integers(1, 3 * count)))
        case 4:
            message.name = [name for i, name in enumerate(message.name) if i != at]
        case 5:
            message.name = [message.name[at]] * count
        case _:
            message.name = [""] * count
    return serialize(message, JOINT_STATE_TYPE)


def _replaced(values: Any, at: int, rng: Rng) -> Any:
    out = np.array(values, dtype=np.float64)
    out[at % max(1, len(out))] = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
    return out


def _image(source: RawMessage, now: float, rng: Rng) -> bytes:
    message = decode(source)
    _stamp(message, now, rng)
    match int(rng.integers(5)):
        case 0:
            message.width = _SIZES[int(rng.integers(len(_SIZES)))]
        case 1:
            message.height = _SIZES[int(rng.integers(len(_SIZES)))]
        case 2:
            message.step = _SIZES[int(rng.integers(len(_SIZES)))]
        case 3:
            message.encoding = _ENCODINGS[int(rng.integers(len(_ENCODINGS)))]
        case _:
            message.data = message.data[: int(rng.integers(len(message.data)))]
    return serialize(message, IMAGE_TYPE)


def _compressed_image(source: RawMessage, now: float, rng: Rng) -> bytes:
    message = decode(source)
    _stamp(message, now, rng)
    message.format = _FORMATS[int(rng.integers(len(_FORMATS)))]
    message.data = np.frombuffer(damaged_picture(rng), np.uint8)
    return serialize(message, COMPRESSED_TYPE)


def _clock(source: RawMessage, now: float, rng: Rng) -> bytes:
    types = type_store().types
    seconds = now + float(rng.choice([0.0, 5.0, -5.0, 1e9, -now]))
    stamp = types["builtin_interfaces/msg/Time"](
        sec=int(min(seconds, 2**31 - 1)), nanosec=int((seconds % 1) * 1e9)
    )
    return serialize(types[CLOCK_TYPE](clock=stamp), CLOCK_TYPE)


def _text(source: RawMessage, now: float, rng: Rng) -> bytes:
    texts = _DESCRIPTIONS if source.topic.endswith("description") else _TEXTS
    if rng.random() < 0.3:  # a length that the bytes do not have
        return source.data[:4] + struct.pack("<I", int(rng.integers(2**32))) + source.data[8:]
    return string(texts[int(rng.integers(len(texts)))])


_DAMAGES: dict[str, Callable[[RawMessage, float, Rng], bytes]] = {
    JOINT_STATE_TYPE: _joint_state,
    IMAGE_TYPE: _image,
    COMPRESSED_TYPE: _compressed_image,
    CLOCK_TYPE: _clock,
    STRING_TYPE: _text,
}
