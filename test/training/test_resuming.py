# SPDX-License-Identifier: Apache-2.0
"""A training that is killed goes on from its checkpoint as if nothing had happened, also when two
processes share the batch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.made_up_frames import write_data_set
from support.process_life import alive, children_of
from support.tiny_run import settings, start
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from training import runlog
from training.starting_point import CHECKPOINT

STEPS, TOGETHER = 40, 15
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demos(tmp_path_factory):
    return write_data_set(tmp_path_factory.mktemp("demos"), [20, 20])


def losses(out):
    return {line["step"]: line["flow"] for line in runlog.read(out)}


def test_killed_run_ends_like_an_undisturbed_one(demos, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(demos, whole, STEPS).wait() == 0
    process = start(demos, killed, STEPS)
    wait_until(lambda: (killed / CHECKPOINT).exists() or process.poll() is not None, 120)
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = torch.load(killed / CHECKPOINT, weights_only=False)["step"]
    assert 0 < saved < STEPS
    assert start(demos, killed, STEPS).wait() == 0
    assert losses(killed) == losses(whole)
    assert sorted(losses(killed)) == list(range(1, STEPS + 1))
    ends = [torch.load(run / CHECKPOINT, weights_only=False) for run in (whole, killed)]
    for name, tensor in ends[0]["average"].items():
        assert torch.equal(tensor, ends[1]["average"][name]), name
    assert (killed / "curves.png").read_bytes().startswith(b"\x89PNG")
    # Whatever the temporary directory is called, nothing was written beside it.
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "killed", "temporary #1"}


def test_other_settings_are_refused(demos, tmp_path):
    mine = settings(demos, tmp_path, STEPS)
    mine.record()
    mine.record()
    with pytest.raises(QuantVLAError, match="started with seed = 3, not 4; go on with that"):
        replace(mine, seed=4).record()


def test_log_forgets_what_is_done_again(tmp_path):
    for step in (1, 2, 3):
        runlog.append(tmp_path, {"step": step, "flow": 1.0})
    with (tmp_path / runlog.FILE).open("a") as stream:
        stream.write('{"step": 4, "fl')
    runlog.rewind(tmp_path, 2)
    runlog.append(tmp_path, {"step": 3, "flow": 2.0})
    assert losses(tmp_path) == {1: 1.0, 2: 1.0, 3: 2.0}


RENEWED = """
import sys
from training.processes import run_all

def work(number):
    return str(number)

if __name__ == "__main__":
    run_all(work, range(40), 2, 0, 40)
"""


def test_pool_that_renewed_its_workers_ends(tmp_path):
    script = tmp_path / "pool.py"
    script.write_text(RENEWED)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ended = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True,
        timeout=120, check=True,
    )  # fmt: skip
    assert len(ended.stdout.splitlines()) == 40


POOL = """
import os, sys, time
from training.processes import worker_pool

def work(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    with worker_pool(1) as pool:
        pool.map(work, [sys.argv[1]])
"""


def test_workers_end_with_a_killed_parent(tmp_path):
    script, note = tmp_path / "pool.py", tmp_path / "pid"
    script.write_text(POOL)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    parent = subprocess.Popen([sys.executable, str(script), str(note)], env=environment)
    wait_until(lambda: note.exists() and note.read_text() != "", 60)
    worker = int(note.read_text())
    assert alive(worker)
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(worker), 20)


@pytest.fixture(scope="module")
def whole(demos, tmp_path_factory):
    """A run that nobody disturbs."""
    out = tmp_path_factory.mktemp("whole")
    assert start(demos, out, TOGETHER, processes=2).wait() == 0
    return out


def trained(run):
    return torch.load(run / CHECKPOINT, weights_only=False)


def ranks(parent):
    """The training's own processes; beside them runs a helper of multiprocessing."""
    return [
        pid
        for pid in sorted(children_of(parent))
        if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]


@pytest.mark.slow  # five trainings of two processes each
@pytest.mark.parametrize("victim", ["parent", "child"])
def test_killed_run_of_two_processes_ends_like_an_undisturbed_one(demos, whole, tmp_path, victim):
    process = start(demos, tmp_path, TOGETHER, processes=2)
    wait_until(lambda: (tmp_path / CHECKPOINT).exists() or process.poll() is not None, 120)
    children = ranks(process.pid)
    assert len(children) == 2
    os.kill(process.pid if victim == "parent" else children[1], signal.SIGKILL)
    assert process.wait(120) != 0
    wait_until(lambda: not any(map(alive, children)), 20, "the end of the processes")
    assert 0 < trained(tmp_path)["step"] < TOGETHER
    assert start(demos, tmp_path, TOGETHER, processes=2).wait() == 0
    assert losses(tmp_path) == losses(whole)
    average = trained(tmp_path)["average"]
    for name, tensor in trained(whole)["average"].items():
        assert torch.equal(tensor, average[name]), name
