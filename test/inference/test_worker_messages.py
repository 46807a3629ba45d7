# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from multiprocessing import Pipe

import pytest

from quantvla_ros.inference.messages import Done, Failed, Ready, Request, Start, receive, send

MESSAGES = [
    Start(bundle="/b", backend="cpu", compiled=True, threads=2, loader="m:f"),
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
