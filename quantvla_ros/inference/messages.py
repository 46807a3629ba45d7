# SPDX-License-Identifier: Apache-2.0
"""Messages over the control pipe between node and worker, as JSON."""

from __future__ import annotations

import os
import socket
import struct
from multiprocessing.connection import Connection
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

MOST_BYTES = 1 << 20
TAIL_S = 0.1  # a message is written in one piece


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Start(_Message):
    """Node to worker, once: what to load, on which backend."""

    kind: Literal["start"] = "start"
    bundle: str
    backend: str
    threads: int
    resident: str = "all"


class Ready(_Message):
    """Worker to node, once: the policy is loaded and warmed up."""

    kind: Literal["ready"] = "ready"
    kernel: str
    integer_layers: int
    weight_bytes: int
    warmup_ms: list[float]


class Request(_Message):
    """Node to worker: observation and prefix in the channel are complete."""

    kind: Literal["request"] = "request"
    id: int
    seed: int
    counter: int


class Done(_Message):
    """Worker to node: the chunk in the channel is complete; `checksum`: see `chunk_checksum`."""

    kind: Literal["done"] = "done"
    id: int
    checksum: int
    timings_ms: dict[str, float]
    steps_ms: tuple[float, ...] = ()


class Failed(_Message):
    """Worker to node: one sentence about what went wrong; `bundle`: the bundle is at fault."""

    kind: Literal["failed"] = "failed"
    id: int
    text: str
    bundle: bool = False


Message = Start | Ready | Request | Done | Failed
_ADAPTER: TypeAdapter[Message] = TypeAdapter(Message)


def send(connection: Connection, message: Message) -> None:
    """Send one message.

    Raises:
        OSError: the other side is gone.
    """
    connection.send_bytes(message.model_dump_json().encode())


def receive(connection: Connection) -> Message:
    """Wait for one message.

    Raises:
        EOFError: the other side is gone.
        OSError: the same, noticed in another way.
        ValueError: what came is no message.
    """
    try:
        data = connection.recv_bytes(MOST_BYTES)
    except OSError as error:
        # BlockingIOError: see `limit_wait`. The other has no number to know it by.
        if isinstance(error, BlockingIOError) or str(error) == "bad message length":
            raise ValueError("a message of no possible length, or cut short") from error
        raise
    return _ADAPTER.validate_json(data)


def limit_wait(connection: Connection) -> None:
    """Never wait long for the rest of a message that has begun, if the sender hangs."""
    seconds, microseconds = 0, round(TAIL_S * 1e6)
    with socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", seconds, microseconds)
        )
