# SPDX-License-Identifier: Apache-2.0
"""Runs the attempts on files in a process of its own, so that a crash ends only that process."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import tempfile
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from calib_tools.common.progress import Report
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.parent_process import tie_to_parent
from studies.fuzz.files import Attempt, attempts, make_samples

HANG_S = 600.0
MEMORY = 12 << 30  # bytes of address space; a damaged size must not bring the machine down
ACCEPTED, REFUSED, FAILED = "accepted", "refused", "failed"


def study_files(kinds: list[str], cases: int, seed: int, report: Report) -> list[Any]:
    """Damage and open files of each kind.

    Returns:
        A row for each kind: how many were accepted and refused, and every failure with its number.
    """
    with tempfile.TemporaryDirectory() as directory:
        samples = Path(directory)
        os.environ["OMP_NUM_THREADS"] = "1"  # on networks this small a second thread only waits
        report("sound files are made")
        make_samples(samples, kinds)
        known = attempts(samples)
        return [study(kind, known[kind], cases, seed, report) for kind in kinds]


def study(kind: str, attempt: Attempt, cases: int, seed: int, report: Report) -> dict[str, Any]:
    """Try `attempt` (picklable) with the numbers 0 to `cases`; returns its row (see above)."""
    outcomes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    number = 0
    while number < cases:
        worker = _Worker(attempt, seed, number, cases)
        while number < cases:
            outcome = worker.next()
            if outcome is None:  # it is dead: the next worker goes on behind this case
                failures.append({"case": number, "error": "crash", "text": worker.end()})
                outcomes[FAILED] += 1
                number += 1
                break
            outcomes[outcome["outcome"]] += 1
            if outcome["outcome"] == FAILED:
                failures.append({"case": number, **outcome["what"]})
            number += 1
            if number % 100 == 0:
                report(f"{kind}: {number} of {cases}, {len(failures)} failures")
        worker.end()
    return {
        "kind": kind,
        "cases": cases,
        ACCEPTED: outcomes[ACCEPTED],
        REFUSED: outcomes[REFUSED],
        FAILED: failures,
    }


class _Worker:
    """A process that tries case after case."""

    def __init__(self, attempt: Attempt, seed: int, first: int, end: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, attempt, seed, first, end, os.getpid()), daemon=True
        )
        self._process.start()
        theirs.close()

    def next(self) -> dict[str, Any] | None:
        """Outcome of the next case; None when the process died or hangs."""
        try:
            if not self._ours.poll(HANG_S):
                return None
            outcome: dict[str, Any] = self._ours.recv()
            return outcome
        except (EOFError, ConnectionError):
            return None

    def end(self) -> str:
        """End it, and return how it had ended."""
        self._process.join(1.0)
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        if code is None:
            return f"no answer within {HANG_S:.0f} s"
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _work(pipe: Connection, attempt: Attempt, seed: int, first: int, end: int, parent: int) -> None:
    tie_to_parent(parent)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in range(first, end):
        rng = np.random.default_rng([seed, number])
        with tempfile.TemporaryDirectory() as scratch:
            pipe.send(_outcome(attempt, rng, Path(scratch)))


def _outcome(attempt: Attempt, rng: np.random.Generator, scratch: Path) -> dict[str, Any]:
    try:
        attempt(rng, scratch)
    except QuantVLAError:
        return {"outcome": REFUSED}
    except Exception as error:
        what = {"error": type(error).__name__, "text": str(error)[:300]}
        return {"outcome": FAILED, "what": what}
    return {"outcome": ACCEPTED}
