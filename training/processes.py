# SPDX-License-Identifier: Apache-2.0
"""Worker processes that end with the process that started them, even when that one is killed."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any

_PR_SET_PDEATHSIG = 1
_WATCH_S = 0.5


def end_with_parent(parent: int) -> None:
    """Be killed when the process `parent`, which started this one, ends in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)


def _prepare_worker(parent: int) -> None:
    # The kernel's own signal would come when the thread ends that started this process, and a pool
    # starts its later workers in a thread that ends first: killed with a lock of the pool in its
    # hand, a worker would leave the others waiting for ever.
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


@contextmanager
def worker_pool(processes: int) -> Iterator[Pool]:
    """Processes that are started anew now and then, so that they never grow; ended at the end."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, _prepare_worker, (os.getpid(),), maxtasksperchild=8) as pool:
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
