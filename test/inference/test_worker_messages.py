# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import struct
from multiprocessing import Pipe

import pytest

from quantvla_ros.inference.messages import (
    Done,
    Failed,
    Ready,
    Request,
    Start,
    limit_wait,
    receive,
    send,
)

MESSAGES = [
    Start(bundle="/b", backend="cpu", threads=2),
    Ready(kernel="avx2", integer_layers=3, weight_bytes=10, warmup_ms=[1.5, 0.5]),
    Request(id=1, seed=2**40, counter=7),
    Done(id=1, checksum=7, timings_ms={"encode": 1.25}),
    Failed(id=2, text="ä", bundle=True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_a_message_arrives_as_it_was_sent(message):
    ours, theirs = Pipe()
    send(ours, message)
    assert receive(theirs) == message


def test_a_closed_pipe_is_an_end_of_file():
    ours, theirs = Pipe()
    ours.close()
    with pytest.raises(EOFError):
        receive(theirs)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("!i", 1000) + b"half",  # and then the sender hangs
        struct.pack("!i", -1) + struct.pack("!Q", 2**60),
        struct.pack("!i", 2**30),
        b"\0",
        struct.pack("!i", 3) + b"{}]",
    ],
    ids=["cut short", "longer than memory", "too long", "half a length", "no JSON"],
)
def test_what_is_no_message_is_told_and_fills_no_memory(raw):
    ours, theirs = Pipe()
    limit_wait(ours)
    os.write(theirs.fileno(), raw)
    with pytest.raises(ValueError):
        receive(ours)  # it would wait for ever


def test_a_sender_that_dies_in_the_middle_of_a_message_is_gone():
    ours, theirs = Pipe()
    limit_wait(ours)
    os.write(theirs.fileno(), struct.pack("!i", 1000) + b"half")
    theirs.close()
    with pytest.raises((EOFError, OSError)):
        receive(ours)
