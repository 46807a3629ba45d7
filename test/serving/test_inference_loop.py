# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from unittest.mock import MagicMock

import numpy as np
import pytest
from support.session_parts import ListDrive, session_parts

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController
from quantvla_ros.inference.client import ChunkResult
from quantvla_ros.robot.chunk import Chunk
from quantvla_ros.serving.inference_loop import InferenceLoop
from quantvla_ros.serving.parts import SharedMotion
from quantvla_ros.serving.record import NodeRecord


@pytest.mark.parametrize(("ahead", "taken"), [(0.5, 1), (500.0, 0)])
def test_a_chunk_from_after_a_jump_that_the_control_thread_has_not_seen_is_no_fault(ahead, taken):
    ones = np.ones(1)
    limits = JointLimits(("elbow",), -ones, ones, ones, ones, ones)
    motion = MotionController(limits, 0.02)
    motion.activate(100.0)
    stamp = 100.0 + ahead
    chunk = Chunk(np.zeros((16, 1)), stamp, {}, ())
    client = MagicMock(running=True, busy=True)
    client.poll.return_value = ChunkResult(chunk, 0.02)
    parts = session_parts(ListDrive(limits, ("elbow",)), ["elbow"], worker=client)
    loop = InferenceLoop(parts, SharedMotion(motion, threading.Lock(), NodeRecord(0.02)))
    loop.step(stamp)
    assert motion.fault is None
    assert (loop.chunks, parts.robot.buffer.skipped["outdated_chunk"]) == (taken, 1 - taken)
