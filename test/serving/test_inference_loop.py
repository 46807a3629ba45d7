# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from support.joint_worlds import trained_state

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController
from quantvla_ros.inference.client import ChunkResult
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.serving.inference_loop import InferenceLoop


@pytest.mark.parametrize(("ahead", "taken"), [(0.5, 1), (500.0, 0)])
def test_a_chunk_from_after_a_jump_that_the_control_thread_has_not_seen_is_no_fault(ahead, taken):
    ones = np.ones(1)
    motion = MotionController(JointLimits(("elbow",), -ones, ones, ones, ones, ones), 0.02)
    motion.activate(100.0)
    stamp = 100.0 + ahead
    chunk = Chunk(np.zeros((16, 1)), stamp, {}, ())
    client = MagicMock(running=True, busy=True)
    client.poll.return_value = ChunkResult(chunk, 0.02)
    buffer = MagicMock(generation=0, skipped={"outdated_chunk": 0})
    buffer.skewed.return_value = False
    drive = SimpleNamespace(points=lambda actions: actions)
    interface = SimpleNamespace(cameras=(), dt=0.1, horizon=16)
    loop = InferenceLoop(
        SimpleNamespace(interface=interface, calibration=None),
        client, MagicMock(), buffer, lambda: motion, threading.Lock(), MagicMock(), lambda: 0,
        MagicMock(), drive, lambda: False, lambda: "enforce", trained_state(["elbow"]),
    )  # fmt: skip
    loop.step(stamp)
    assert motion.fault is None
    assert (loop.chunks, buffer.skipped["outdated_chunk"]) == (taken, 1 - taken)
