# SPDX-License-Identifier: Apache-2.0
"""Processes that a test starts: what they can import, their children, whether they have ended."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_TESTS = Path(__file__).parents[1]


def import_path(*more: Path) -> str:
    """PYTHONPATH with which a child imports the package, the tests' helpers and ``more``."""
    before = filter(None, [os.environ.get("PYTHONPATH")])
    return os.pathsep.join([*map(str, (*more, _TESTS, _TESTS.parent)), *before])


def hear_signals() -> None:
    """A `preexec_fn`: a shell starts what runs in the background, these tests perhaps, deaf."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def children_of(pid: int) -> set[int]:
    """Process ids of a process's children, whichever thread started them; none if it has ended."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found.update(map(int, path.read_text().split()))
        except (FileNotFoundError, ProcessLookupError):  # the thread ended while it was read
            continue
    return found


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead but not reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended while it was read
        return False
