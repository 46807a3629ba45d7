# SPDX-License-Identifier: Apache-2.0
"""A calibration buffer of every task, as `quantize` reads it."""

from __future__ import annotations

import pytest

from calib_tools.quantize.command import fitting_buffer
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.resources import shared_file
from studies import task_buffer

pytestmark = pytest.mark.slow  # it plays a dozen episodes


def test_both_halves_of_the_buffer_hold_every_task(tmp_path):
    policy = shared_file("policies/panda")
    task_buffer.main([str(policy), "--out", str(tmp_path / "buffer"), "--samples", "32"])
    buffer = fitting_buffer(policy, load_manifest(policy), tmp_path / "buffer")
    assert len(buffer.samples) == 32
    for half, each in ((buffer.calibration, 6), (buffer.held_out, 2)):
        pushes = [s for s in half if s.instruction.startswith(("push", "slide"))]
        baskets = [s for s in half if s.instruction.endswith("basket")]
        assert len(pushes) == len(baskets) == each
