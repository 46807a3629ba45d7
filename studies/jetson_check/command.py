# SPDX-License-Identifier: Apache-2.0
"""Run one command to its end; where the check is stopped, so is all that it started."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from quantvla_ros.parent_process import end_with_parent

_PATIENCE_S = 30.0  # a policy node brings its arm to rest before it ends
_POLL_S = 0.1
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        status: its exit status.
        output: what it printed.
        log: what it said beside that, which stays in its file.
        seconds: how long it ran.
        peak_memory_bytes: of the largest of its processes.
    """

    status: int
    output: str
    log: str
    seconds: float
    peak_memory_bytes: int


def run_command(words: Sequence[str], folder: Path, log: Path) -> Ended:
    """Run `python WORDS` in a folder; call from the main thread.

    Args:
        words: what follows `python`.
        folder: where it runs.
        log: file for what it says; its output lies beside it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    printed = log.with_suffix(".out")
    places = filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")])
    began = time.monotonic()
    with log.open("wb") as said, printed.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=said,
            start_new_session=True,
            preexec_fn=functools.partial(end_with_parent, os.getpid(), signal.SIGTERM),
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            _end(process)
    return Ended(
        process.returncode,
        printed.read_text(encoding="utf-8", errors="replace"),
        log.read_text(encoding="utf-8", errors="replace"),
        round(time.monotonic() - began, 1),
        usage.ru_maxrss * 1024,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs as it ends by itself, then whatever is left of its group."""
    if process.returncode is None:
        process.terminate()
        deadline = time.monotonic() + _PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        process.wait()
