# SPDX-License-Identifier: Apache-2.0
"""A process that used OpenVINO can be asked to stop: it did not survive the signal."""

import signal
import subprocess
import sys

import pytest

pytest.importorskip("openvino", reason="optional: pip install -r requirements/openvino.txt")

STOPPED = """
import gc, os, signal, sys
import numpy as np
import openvino
from openvino import opset13 as op
from quantvla_ros.backends.openvino.compiling import DEVICE, settings, tried

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("heard"))
x = op.parameter([4, 64], np.float32)
model = openvino.Model([op.matmul(x, op.constant(np.eye(64, dtype=np.float32)), False, False)], [x])
compile = lambda: openvino.Core().compile_model(model, DEVICE, settings(1))
first, second = tried(compile), tried(compile)
del first
gc.collect()
assert (second(np.ones((4, 64), np.float32))[0] == 1.0).all()
del second
gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_signal_is_heard_after_the_last_graph_is_gone():
    command = [sys.executable, "-X", "faulthandler", "-c", STOPPED]  # it has a stack of its own
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != -signal.SIGSEGV
    assert done.stderr.strip().endswith("heard"), done
