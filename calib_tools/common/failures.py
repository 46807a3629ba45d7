# SPDX-License-Identifier: Apache-2.0
"""Errors from outside the program, each as one sentence: the disk, rights, memory, a file."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from quantvla_ros.errors import QuantVLAError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NUMBER = re.compile(r"\(os error (\d+)\)|\[Errno (\d+)\]")


def sentence(error: BaseException) -> str | None:
    """The sentence that a user reads of an error he can mend; None for a bug."""
    if isinstance(error, QuantVLAError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error.errno, error.filename, str(error))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "there is not enough memory; end other programs, or do this on a larger machine."
    # Libraries that are not written in Python keep the system's number in their text alone.
    number = _NUMBER.search(str(error))
    if number:
        return _of_system(int(number[1] or number[2]), None, str(error).splitlines()[0])
    return None


def _of_system(number: int | None, file: object, text: str) -> str:
    if isinstance(file, bytes):
        file = os.fsdecode(file)
    if number in _FULL:
        return (
            f"the disk is full ({file or 'while writing'}); free some space and run the same "
            "command again."
        )
    if number is None or file is None:
        return f"the system refused something: {text}; mend that and run the same command again."
    return f"'{file}': {os.strerror(number)}; mend that and run the same command again."


@contextmanager
def told(program: str) -> Iterator[None]:
    """Turn what a person can mend into one sentence on standard error and exit status 1.

    Also lets what cannot be written in the terminal's character set be printed with escapes.

    Raises:
        SystemExit: with status 1 after such an error; other errors pass.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)  # a test's stream may have none
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        yield
    except Exception as error:
        said = sentence(error)
        if said is None:
            raise
        print(f"{program}: {said}", file=sys.stderr)
        raise SystemExit(1) from error
