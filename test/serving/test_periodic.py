# SPDX-License-Identifier: Apache-2.0
"""The thread with a fixed rate."""

from __future__ import annotations

import itertools
import os
import threading
import time

import pytest
from support.waiting import patient, wait_until

from quantvla_ros.serving.periodic import PeriodicThread


def test_deadlines_are_absolute_and_a_stall_is_not_made_up_for():
    calls = []  # (deadline, begin, end)

    def step(deadline):
        begin = time.monotonic()
        time.sleep(0.2 if len(calls) == 4 else 0.002)
        calls.append((deadline, begin, time.monotonic()))

    thread = PeriodicThread("test", 0.01, step, lambda error: None)
    thread.start()
    wait_until(lambda: len(calls) >= 30, 10)
    thread.stop()
    for (before, _, end), (deadline, begin, _) in itertools.pairwise(calls):
        assert deadline <= begin
        if end - before < 0.02:  # relative sleeping would drift by 2 ms a call
            assert deadline == pytest.approx(before + 0.01)
        else:  # a stall, of the fifth call or of the machine: none is made up for
            assert deadline >= end


def test_exception_ends_the_thread_and_is_handed_over():
    errors = []
    done = threading.Event()

    def step(deadline):
        raise RuntimeError("broken")

    def on_error(error):
        errors.append(error)
        done.set()

    PeriodicThread("test", 0.01, step, on_error).start()
    assert done.wait(patient(5))
    assert [str(e) for e in errors] == ["broken"]


def test_real_time_priority_is_taken_where_it_is_granted_and_not_needed_otherwise():
    steps = []

    def step(deadline):
        steps.append(os.sched_getscheduler(0))

    thread = PeriodicThread("test", 0.01, step, lambda error: None, priority=10)
    thread.start()
    wait_until(lambda: len(steps) >= 3, 10)
    thread.stop()
    assert steps[0] == (os.SCHED_FIFO if thread.realtime else os.SCHED_OTHER)
