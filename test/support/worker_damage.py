# SPDX-License-Identifier: Apache-2.0
"""What a fake policy does to the inference process that runs it."""

from __future__ import annotations

import gc
import resource
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from quantvla_ros.inference.channel import Channel


def damage_memory():
    """Let something else than the chunk be in the shared memory from now on."""
    write = Channel.write_chunk

    def damaged(channel, actions, stamp):
        write(channel, actions, stamp)
        channel._set("actions", np.random.default_rng(0).uniform(-1, 1, actions.shape))

    Channel.write_chunk = damaged


def damage_pipe():
    """Send bytes that are no message."""
    for connection in gc.get_objects():
        if isinstance(connection, Connection):
            connection.send_bytes(b"\x00\xff{")


def run_out_of_memory(block):
    """Allocate blocks of so many bytes until the system gives no more, which is soon."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (64 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
    taken = []
    while True:
        taken.append(np.ones(block, np.uint8))
