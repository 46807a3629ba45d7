# SPDX-License-Identifier: Apache-2.0
"""A process that had to wait for a processor is told from one that slept."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support import processor_waits
from support.processor_waits import ProcessorWaits
from support.waiting import wait_until

BUSY = """
import os
parent = os.getppid()
os.sched_setaffinity(0, {%d})
print(flush=True)
while os.getppid() == parent:
    pass
"""  # it ends with a test process that is killed


@pytest.fixture
def start():
    """Starts Python programs that end with the test, and waits for their first line."""
    started = []

    def start(program: str) -> subprocess.Popen:
        started.append(subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE))
        assert started[-1].stdout.readline()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_two_that_want_one_processor_wait_for_it(start):
    waits = ProcessorWaits()
    processor = min(os.sched_getaffinity(0))
    pids = [start(BUSY % processor).pid for _ in range(2)]
    said = wait_until(waits.stall, 10, "a wait for the processor")
    wait_until(lambda: any(f"of process {pid} waited" in waits.stall() for pid in pids), 10)
    assert "for a processor" in said


def test_one_that_sleeps_does_not(start, monkeypatch):
    sleeper = start("import time; print(flush=True); time.sleep(60)").pid
    monkeypatch.setattr(processor_waits.os, "getpid", lambda: sleeper)
    waits = ProcessorWaits()
    with pytest.raises(AssertionError):
        wait_until(waits.stall, 0.1)
