# SPDX-License-Identifier: Apache-2.0
"""What the kernel says of a machine that was too slow: how long threads waited for a processor."""

from __future__ import annotations

import os
import time
from pathlib import Path

from support.process_life import children_of

LEAST_S = 0.1
LEAST_SHARE = 0.02
"""Threads of an idle machine wait less: microseconds each time that they wake up."""


def thread_waits(pid: int) -> dict[int, tuple[str, float]]:
    """Of each thread of a process and of all that it started: its name, seconds waited so far."""
    found = {}
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            nanoseconds = int((task / "schedstat").read_text().split()[1])
            name = (task / "comm").read_text().strip()
        except (OSError, IndexError):  # it has ended, or this kernel does not count
            continue
        found[int(task.name)] = (f"{name} of process {pid}", nanoseconds / 1e9)
    for child in children_of(pid):
        found |= thread_waits(child)
    return found


class ProcessorWaits:
    """Notes how long this process, its nodes and their workers have waited, and compares."""

    def __init__(self) -> None:
        """Begin to count."""
        self._begin = time.monotonic()
        self._before = thread_waits(os.getpid())

    def stall(self) -> str:
        """The thread that has waited longest since then; empty if none has waited for long."""
        now = thread_waits(os.getpid())
        took = time.monotonic() - self._begin
        waited = {t: s - self._before.get(t, ("", 0.0))[1] for t, (_, s) in now.items()}
        worst = max(waited, key=waited.__getitem__, default=None)
        if worst is None or waited[worst] < max(LEAST_S, LEAST_SHARE * took):
            return ""
        name = now[worst][0]
        return f"thread {name} waited {waited[worst]:.2f} s of {took:.2f} s for a processor"
