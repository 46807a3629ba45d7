# SPDX-License-Identifier: Apache-2.0
"""Processes that end with the process that started them, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

_PR_SET_PDEATHSIG = 1
# Looked up here: `end_with_parent` is called between fork and exec, where the loader's lock may be
# held by a thread that the child does not have, and it would wait for ever, and so its parent.
_prctl = ctypes.CDLL(None).prctl
_WATCH_S = 0.5


def end_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """In a child: have the kernel send this process a signal when the process `parent` ends.

    The signal comes when the THREAD ends that started the child; start it from the main thread, or
    use `watch_parent`.

    Args:
        parent: process id of the parent, which the parent itself has asked for.
        number: of the signal.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)  # it died before the kernel was told


def tie_to_parent(parent: int) -> None:
    """In a child: `end_with_parent`, and leave Ctrl-C to it."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def watch_parent(parent: int) -> None:
    """In a child of any thread: end soon after the process `parent`, and leave Ctrl-C to it.

    A pool of multiprocessing starts its later workers in a thread that ends first: the kernel's
    signal would kill a worker with a lock of the pool in its hand, and the others would wait for
    ever.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)
