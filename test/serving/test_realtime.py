# SPDX-License-Identifier: Apache-2.0
"""Real-time priority of all threads for a time, given back afterwards."""

from __future__ import annotations

import os
import threading

import pytest
from support.waiting import patient

from quantvla_ros.serving.realtime import HELPER_PRIORITY, RaisedThreads, take_priority


class Idle:
    """A thread that waits, perhaps with a real-time priority of its own."""

    def __init__(self, priority: int = 0) -> None:
        self._priority = priority
        self._end = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(patient(10))

    def _run(self) -> None:
        if self._priority:
            take_priority(self._priority)
        self._ready.set()
        self._end.wait()

    @property
    def number(self) -> int:
        assert self._thread.native_id is not None
        return self._thread.native_id

    def close(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def granted():
    if not take_priority(1):
        pytest.skip("this system grants no real-time priority")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def state(thread: Idle) -> tuple[int, int]:
    return os.sched_getscheduler(thread.number), os.sched_getparam(thread.number).sched_priority


def test_every_thread_is_raised_and_given_back_but_not_what_had_priority_of_its_own(granted):
    ordinary, own = Idle(), Idle(priority=50)
    raised = RaisedThreads()
    raised.begin()
    assert state(ordinary) == (os.SCHED_FIFO, HELPER_PRIORITY)
    assert state(own) == (os.SCHED_FIFO, 50)
    late = Idle()  # inherits
    assert state(late) == (os.SCHED_FIFO, HELPER_PRIORITY)
    raised.end()
    assert state(ordinary) == state(late) == (os.SCHED_OTHER, 0)
    assert state(own) == (os.SCHED_FIFO, 50)
    for thread in (ordinary, own, late):
        thread.close()


def test_without_the_privilege_nothing_changes(monkeypatch):
    def refuse(*arguments):
        raise PermissionError(1, "not permitted")

    ordinary = Idle()
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    raised = RaisedThreads()
    raised.begin()
    assert not take_priority(10)
    raised.end()
    assert state(ordinary)[0] == os.SCHED_OTHER
    ordinary.close()


def test_ending_without_having_begun_changes_nothing():
    before = os.sched_getscheduler(0)
    RaisedThreads().end()
    assert os.sched_getscheduler(0) == before
