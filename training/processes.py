# SPDX-License-Identifier: Apache-2.0
"""Worker processes that end with the process that started them, even when that one is killed."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.pool import Pool
from typing import TYPE_CHECKING, Any

from quantvla_ros.parent_process import watch_parent

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Processes that are started anew now and then, so that they never grow; ended at the end."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, watch_parent, (os.getpid(),), maxtasksperchild=8) as pool:
        yield pool
        pool.close()  # ended by force, a worker could keep a lock that the pool then waits for
        pool.join()


def run_all(
    work: Callable[[Any], str], jobs: Iterable[Any], processes: int, done: int, total: int
) -> None:
    """Do the jobs in several processes; each returns a line, which is printed with the progress."""
    begin, first = time.monotonic(), done
    with worker_pool(processes) as pool:
        for line in pool.imap_unordered(work, list(jobs)):
            done += 1
            left = (time.monotonic() - begin) / (done - first) * (total - done)
            print(f"[{done}/{total}] {line}; {left / 60:.0f} min left", flush=True)


@cache
def robot_of(family: str) -> SimulatedRobot:
    """The robot before a family's scenes; loading one takes a second."""
    from simulation.robot import SimulatedRobot

    return SimulatedRobot(family)
