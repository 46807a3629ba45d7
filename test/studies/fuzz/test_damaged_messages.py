# SPDX-License-Identifier: Apache-2.0
"""Damaged messages of every topic: many are no message any more, many are wrongly filled ones."""

from __future__ import annotations

import numpy as np
import pytest

from calib_tools.buffer import messages
from calib_tools.buffer.messages import (
    COMPRESSED_TYPE,
    RawMessage,
    UndecodableError,
    compressed_image,
    decode,
)
from studies.fuzz.damaged_messages import CLOCK_TYPE, damaged
from studies.fuzz.message_study import SOURCES

COMPRESSED = "/front/compressed"
PIXELS = np.zeros((8, 8, 3), np.uint8)


def sound(topic, kind, streams) -> RawMessage:
    if topic == COMPRESSED:
        return RawMessage(topic, kind, compressed_image(10**9, "camera", b""))
    if "image" in topic:
        return streams.image(topic, 10**9, PIXELS)
    if topic == "/joint_states":
        return streams.joints(10**9, [0.1, 0.2, 0.3])
    if kind == CLOCK_TYPE:
        types = messages.type_store().types
        clock = types[kind](clock=types["builtin_interfaces/msg/Time"](sec=1, nanosec=0))
        return RawMessage(topic, kind, messages.serialize(clock, kind))
    return RawMessage(topic, kind, messages.string("put the milk in the basket"))


@pytest.mark.parametrize(("topic", "kind"), [*SOURCES.items(), (COMPRESSED, COMPRESSED_TYPE)])
def test_damage_comes_in_the_wire_and_in_the_fields(topic, kind, streams):
    message, rng = sound(topic, kind, streams), np.random.default_rng(0)
    all_bytes = [damaged(message, 1.0, rng) for _ in range(200)]
    undecodable = 0
    for data in all_bytes:
        try:
            decode(RawMessage(topic, kind, data))
        except UndecodableError:
            undecodable += 1
    assert 5 < undecodable < 150
    assert len(set(all_bytes)) > 4
