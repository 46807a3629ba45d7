# SPDX-License-Identifier: Apache-2.0
"""The machine's faults are told from the program's."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.process_life import import_path

# The system clock of this process: `set_by` sets it, as an operator or a time server does.
TESTS = """
import time
import pytest
from support import clock_steps, waiting
from support.waiting import MachineLateError

real, seconds = time.time, [0.0]
clock_steps._system = lambda: real() + seconds[0]
attempts = {}

def set_by(step):
    seconds[0] += step

@pytest.fixture(scope="module")
def node():
    attempts["nodes"] = attempts.get("nodes", 0) + 1
    return attempts["nodes"]

@pytest.fixture(autouse=True)
def count(request):
    attempts[request.node.name] = attempts.get(request.node.name, 0) + 1
    request.node.attempt = attempts[request.node.name]

def test_fails(request, node):
    assert request.node.attempt > 1, "no clock was set"

def test_fails_by_the_clock(request, node):
    if request.node.attempt == 1:
        set_by(0.3)
        time.sleep(0.3)
        set_by(-0.3)
        raise AssertionError("CLOCK_JUMP")
    assert node == 2, "the node is another one"

def test_fails_by_a_late_machine(request, node):
    if request.node.attempt == 1:
        raise MachineLateError("CHUNK_UNDERRUN")

class Late:
    def said(self):
        return "its last words"

    def excuse(self):
        return "it waited"

def test_fails_and_a_witness_knows_why(request):
    waiting.witnesses.append(Late())
    request.addfinalizer(waiting.witnesses.clear)
    assert request.node.attempt > 1, "a wrong figure"

def test_fails_whatever_the_clock_does(request):
    set_by(-0.05)
    raise AssertionError(f"attempt {request.node.attempt}")

def test_passes_with_a_clock_that_is_set(request):
    set_by(0.5)
    assert request.node.attempt == 1
"""
PLUGIN = """
from support import clock_steps
clock_steps.BEFORE_S = 0.0
def pytest_configure(config):
    config.pluginmanager.register(clock_steps.RunAgain())
"""


@pytest.mark.parametrize("processes", [0, 1])
def test_only_what_failed_by_the_machine_is_run_again_and_once(tmp_path, processes):
    (tmp_path / "test_made_up.py").write_text(TESTS)
    (tmp_path / "conftest.py").write_text(PLUGIN)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", "/dev/null",
         "-n", str(processes), "--rootdir", tmp_path, tmp_path],
        env={"PYTHONPATH": import_path()}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stdout
    assert "2 failed, 4 passed" in said, said + done.stderr
    failed = re.findall(r"^FAILED \S*::(\w+)", said, re.M)
    assert failed == ["test_fails", "test_fails_whatever_the_clock_does"]
    assert "no clock was set" in said
    assert "AssertionError: attempt 2" in said and "attempt 3" not in said
    told = said.partition("= 4 run again")[2].partition("short test summary")[0]
    assert (
        "test_fails_by_the_clock: the clock was set by +0.300 s, the clock was set by -0.3" in told
    )
    assert "CLOCK_JUMP" in told
    assert "test_fails_by_a_late_machine: the machine was late" in told
    assert "test_fails_and_a_witness_knows_why: the machine was late: it waited" in told
    assert "test_passes_with" not in told
