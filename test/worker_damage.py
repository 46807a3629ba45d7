# SPDX-License-Identifier: Apache-2.0
"""What a fake policy does to the inference process that runs it."""

from __future__ import annotations

import gc
from multiprocessing.connection import Connection

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
