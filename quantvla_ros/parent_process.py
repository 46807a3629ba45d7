# SPDX-License-Identifier: Apache-2.0
"""Processes that end with the process that started them, however that one ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to_parent(parent: int) -> None:
    """In a child: end with the process `parent`, and leave Ctrl-C to it.

    The kernel kills the child when the THREAD ends that started it; start it from the main thread.

    Args:
        parent: process id of the parent, which the parent itself has asked for.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before we could be tied to it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
