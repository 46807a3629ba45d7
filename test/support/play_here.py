# SPDX-License-Identifier: Apache-2.0
"""Stands for a pool of processes where what they do is tested, and not that others do it."""

from __future__ import annotations

import pytest


def play_here(jobs, workers, make_player):
    """As `calib_tools.common.pool.play_in_processes`, in this process."""
    player = make_player()
    for job in jobs:
        yield job, player.play(job)


@pytest.fixture(scope="module")
def measured_here():
    """Layers are measured in this process: each of a pool's would load PyTorch first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("calib_tools.quantize.measuring.play_in_processes", play_here)
        yield
