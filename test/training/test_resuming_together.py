# SPDX-License-Identifier: Apache-2.0
"""Two processes that share the batch: killed at any moment, they go on as one training."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch
from support.made_up_frames import write_data_set
from support.process_life import alive, children_of
from support.tiny_run import start
from support.waiting import wait_until

from training import runlog
from training.starting_point import CHECKPOINT

STEPS = 15
pytestmark = pytest.mark.slow  # five trainings of two processes each


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("demos"), [20, 20])


@pytest.fixture(scope="module")
def whole(demos, tmp_path_factory):
    """A run that nobody disturbs."""
    out = tmp_path_factory.mktemp("whole")
    assert start(demos, out, STEPS, processes=2).wait() == 0
    return out


def losses(run):
    return {line["step"]: line["flow"] for line in runlog.read(run)}


def trained(run):
    return torch.load(run / CHECKPOINT, weights_only=False)


def ranks(parent):
    """The training's own processes; beside them runs a helper of multiprocessing."""
    return [
        pid
        for pid in sorted(children_of(parent))
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]


@pytest.mark.parametrize("victim", ["parent", "child"])
def test_killed_run_of_two_processes_ends_like_an_undisturbed_one(demos, whole, tmp_path, victim):
    process = start(demos, tmp_path, STEPS, processes=2)
    wait_until(lambda: (tmp_path / CHECKPOINT).exists() or process.poll() is not None, 120)
    children = ranks(process.pid)
    assert len(children) == 2
    os.kill(process.pid if victim == "parent" else children[1], signal.SIGKILL)
    assert process.wait(120) != 0
    wait_until(lambda: not any(map(alive, children)), 20, "the end of the processes")
    assert 0 < trained(tmp_path)["step"] < STEPS
    assert start(demos, tmp_path, STEPS, processes=2).wait() == 0
    assert losses(tmp_path) == losses(whole)
    average = trained(tmp_path)["average"]
    for name, tensor in trained(whole)["average"].items():
        assert torch.equal(tensor, average[name]), name
