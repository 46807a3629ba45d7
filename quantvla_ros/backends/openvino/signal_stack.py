# SPDX-License-Identifier: Apache-2.0
"""A thread keeps its own stack for signals while OpenVINO compiles.

Each CPU plugin of OpenVINO, one a `Core`, gives the thread that compiles another stack for signals,
frees it when its last model goes, and then puts back the one that it had found: that of another
plugin, which may be freed already. The next Ctrl-C or SIGTERM, whose handlers in Python run on that
stack, kills the process without a word.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_DISABLED = 2  # SS_DISABLE: signals are handled on the thread's stack


class _Stack(ctypes.Structure):
    """`stack_t` of sigaltstack(2) on Linux."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    )


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """Put the calling thread's stack for signals back where it was; a decorator, too."""
    switch = ctypes.CDLL(None).sigaltstack
    before = _Stack()
    switch(None, ctypes.byref(before))
    try:
        yield
    finally:
        if switch(ctypes.byref(before), None):  # too small for tiles, which are allowed now
            switch(ctypes.byref(_Stack(flags=_DISABLED)), None)
