# SPDX-License-Identifier: Apache-2.0
"""Gives freed memory back to the system."""

from __future__ import annotations

import ctypes


def trim_heap() -> None:
    """Give back what was freed between tensors that are still held; glibc keeps it otherwise.

    The peak of a quantization would else count the float weights that integers have replaced.
    Another C library has no such call, and needs none.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
