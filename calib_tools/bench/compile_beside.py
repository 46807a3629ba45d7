# SPDX-License-Identifier: Apache-2.0
"""Compile one policy in a helper process while this one compiles another.

Inductor works on one core for most of the time. The helper leaves its code in inductor's cache on
disk, where the load that follows finds it.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantvla_ros.backends.policy import load_policy
from quantvla_ros.parent_process import tie_to_parent


@contextmanager
def compiled_beside(path: Path, backend: str, threads: int) -> Iterator[None]:
    """Compile the bundle `path` during the block, for as many CPU threads as it will run with.

    The block ends when the helper is done. A helper that fails costs time only: the load compiles
    then, or says what is wrong.
    """
    helper = multiprocessing.get_context("spawn").Process(
        target=_compile, args=(path, backend, threads, os.getpid()), daemon=True
    )
    try:
        helper.start()
        yield
        helper.join()
    finally:
        if helper.pid is not None:
            helper.kill()
            helper.join()


def _compile(path: Path, backend: str, threads: int, parent: int) -> None:
    """In the helper: it would compile on for minutes without anybody who waits for it."""
    tie_to_parent(parent)
    load_policy(path, backend, True, threads)
