# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.process_life import alive
from support.waiting import patient, wait_until

from calib_tools.system.processes import Processes
from quantvla_ros.errors import QuantVLAError

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module for `python -m`, and give its name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(REPOSITORY)]))

    def write(name: str, text: str) -> str:
        (tmp_path / f"{name}.py").write_text(text)
        return name

    return write


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_a_child_that_ends_is_named_with_its_last_words(tmp_path, module):
    name = module("short_lived", "print('first'); print('no camera found\\n\\n'); exit(3)")
    with Processes(tmp_path / "logs", os.environ) as processes:
        child = processes.start("robot", name)
        wait_until(lambda: child.status is not None, 20)
        with pytest.raises(QuantVLAError, match=r"robot ended with status 3: no camera found"):
            child.check()
        with pytest.raises(QuantVLAError, match=r"robot\.log"):
            child.wait(1.0)


def test_a_child_that_does_its_work_is_no_error(tmp_path, module):
    with Processes(tmp_path / "logs", os.environ) as processes:
        child = processes.start(
            "tool", module("worker", "import sys; print(sys.argv[1:])"), "a", "b"
        )
        child.wait(patient(20))
        assert child.last_line == "['a', 'b']"


def test_leaving_ends_children_and_what_they_started(tmp_path, module):
    name = module(
        "stubborn",
        "import os, signal, subprocess, sys, time\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
        "print(os.getpid(), grandchild.pid, flush=True)\n"
        "time.sleep(600)\n",
    )
    with Processes(tmp_path / "logs", os.environ) as processes:
        child = processes.start("robot", name)
        wait_until(lambda: len(child.last_line.split()) == 2, 20)
        both = pids(child.log)
        assert all(map(alive, both))
    wait_until(lambda: not any(map(alive, both)), 10)
    assert child.status == 0


def test_a_child_that_ignores_ctrl_c_is_ended_harder(tmp_path, module, monkeypatch):
    monkeypatch.setattr("calib_tools.system.processes._STOP_S", 0.3)
    monkeypatch.setattr("calib_tools.system.processes._TERMINATE_S", 0.3)
    name = module(
        "deaf",
        "import signal, time\n"
        "for number in (signal.SIGINT, signal.SIGTERM): signal.signal(number, signal.SIG_IGN)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n",
    )
    with Processes(tmp_path / "logs", os.environ) as processes:
        child = processes.start("robot", name)
        wait_until(lambda: child.last_line == "ready", 20)
    assert child.status == -signal.SIGKILL


def test_children_end_when_the_demo_is_killed(tmp_path, module):
    sleeper = module("sleeper", "import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    demo = module(
        "killed_demo",
        "import os, pathlib, time\n"
        "from calib_tools.system.processes import Processes\n"
        f"with Processes(pathlib.Path({str(tmp_path)!r}), os.environ) as processes:\n"
        f"    processes.start('robot', {sleeper!r})\n"
        "    time.sleep(600)\n",
    )
    parent = subprocess.Popen([sys.executable, "-m", demo], env=os.environ)
    try:
        child = wait_until(lambda: pids(tmp_path / "robot.log"), 20)[0]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not alive(child), 10)


def test_a_tool_that_takes_too_long_is_ended(tmp_path, module):
    with Processes(tmp_path / "logs", os.environ) as processes:
        child = processes.start("tool", module("slow", "import time; time.sleep(600)"))
        with pytest.raises(QuantVLAError, match=r"tool did not end within 0 s"):
            child.wait(0.2)
        assert child.status is not None
