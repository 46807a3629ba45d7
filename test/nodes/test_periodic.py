# SPDX-License-Identifier: Apache-2.0
"""The thread with a fixed rate."""

from __future__ import annotations

import os
import threading
import time

from waiting import wait_until

from quantvla_ros.nodes.periodic import PeriodicThread


def test_deadlines_are_absolute_and_a_stall_is_not_made_up_for():
    times = []

    def step(deadline):
        times.append(time.monotonic())
        assert deadline <= times[-1]
        time.sleep(0.2 if len(times) == 5 else 0.002)

    thread = PeriodicThread("test", 0.01, step, lambda error: None)
    thread.start()
    wait_until(lambda: len(times) >= 30, 10)
    thread.stop()
    # 20 ms would be two calls made up for; relative sleeping would drift by 2 ms a call.
    after = [t - times[5] for t in times[5:30]]
    assert after[-1] >= 0.01 * 23


def test_exception_ends_the_thread_and_is_handed_over():
    errors = []
    done = threading.Event()

    def step(deadline):
        raise RuntimeError("broken")

    def on_error(error):
        errors.append(error)
        done.set()

    PeriodicThread("test", 0.01, step, on_error).start()
    assert done.wait(5)
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
