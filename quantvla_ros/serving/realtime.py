# SPDX-License-Identifier: Apache-2.0
"""Real-time priority for the threads of this process, where the system grants it."""

from __future__ import annotations

import os

CONTROL_PRIORITY = 50
"""Of the control thread; as ros2_control's."""
HELPER_PRIORITY = 40
"""Of every other thread while the node is active. They share Python's lock and the middleware's
locks with the control thread: one that is put aside for the inference process while it holds one of
them would hold up the control thread too."""


def take_priority(priority: int, thread: int = 0) -> bool:
    """Ask for SCHED_FIFO; it takes a privilege (rtprio in limits.conf) and is not needed to work.

    Args:
        priority: 1 to 99.
        thread: kernel's number of a thread of this process; 0 is the caller.

    Returns:
        Whether it was granted.
    """
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority))
    except OSError:
        return False
    return True


class RaisedThreads:
    """Gives `HELPER_PRIORITY` to all threads of the process, the middleware's included, for a time.

    A thread that one of them starts meanwhile inherits it; so does a process, which gives it back
    itself (see `quantvla_ros.inference.worker`).
    """

    def __init__(self) -> None:
        """Raise nothing yet."""
        self._real_time_before: set[int] | None = None

    def begin(self) -> None:
        """Raise every thread that has no real-time priority."""
        self._real_time_before = set(_threads(real_time=True))
        for thread in _threads(real_time=False):
            if not take_priority(HELPER_PRIORITY, thread):
                return

    def end(self) -> None:
        """Take it back from every thread that had none before."""
        before, self._real_time_before = self._real_time_before, None
        if before is None:
            return
        for thread in set(_threads(real_time=True)) - before:
            _give_back(thread)


def _threads(real_time: bool) -> list[int]:
    found = []
    for name in os.listdir("/proc/self/task"):
        try:
            scheduler = os.sched_getscheduler(int(name))
        except ProcessLookupError:  # it has ended meanwhile
            continue
        if (scheduler == os.SCHED_FIFO) is real_time:
            found.append(int(name))
    return found


def _give_back(thread: int) -> None:
    try:
        os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
    except ProcessLookupError:
        return
