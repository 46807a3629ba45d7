# SPDX-License-Identifier: Apache-2.0
"""How long the inference process takes from its start until the policy is ready."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calib_tools.common.progress import Report
from quantvla_ros.backends.base import Options
from quantvla_ros.backends.registry import find_backend
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.inference.messages import Start
from quantvla_ros.inference.process import WorkerProcess

ROUNDS = 5
_WAIT_S = 600.0
_TIMES = slice(11, 15)  # behind the name: of the process and of its children, user and system


def study_start_up(bundle: Path, backend: str, report: Report) -> list[dict[str, Any]]:
    """Start the node's inference process with an empty cache and with a filled one, in turn.

    The engine of the CPU is there in both, as on a robot, and the process finds no compiler.

    Returns:
        A row of each, with the shortest and the median of all rounds.
    """
    find_backend(backend).prepare(Options())
    interface = load_manifest(bundle).interface
    start = Start(bundle=str(bundle.absolute()), backend=backend, threads=1)
    rounds: dict[str, list[tuple[float, float]]] = {"empty": [], "filled": []}
    for count in range(ROUNDS):
        report(f"round {count + 1} of {ROUNDS}")
        with _fresh_cache():
            for found in rounds.values():
                found.append(_ready(WorkerProcess(interface, start)))
    return [
        {"cache": name, "cpu_s": _figures([c for c, _ in found]),
         "wall_s": _figures([w for _, w in found])}
        for name, found in rounds.items()
    ]  # fmt: skip


def _ready(worker: WorkerProcess) -> tuple[float, float]:
    """CPU and wall seconds from the process's start until it says that it is ready."""
    begin = time.monotonic()
    try:
        worker.wait_ready(_WAIT_S, lambda: False)
        wall = time.monotonic() - begin
        stat = Path(f"/proc/{worker.pid}/stat").read_text(encoding="ascii")
    finally:
        worker.close()
    ticks = stat.rpartition(")")[2].split()[_TIMES]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), wall


def _figures(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"least": ordered[0], "median": ordered[len(ordered) // 2]}


@contextmanager
def _fresh_cache() -> Iterator[None]:
    """An empty cache but for the CPU's engine, and no program to be found, for new processes."""
    engine = cache_directory("engine", executable=True)
    with tempfile.TemporaryDirectory() as home, _environment(XDG_CACHE_HOME=home, PATH=""):
        place = Path(home) / engine.parent.name
        place.mkdir()
        (place / engine.name).symlink_to(engine)
        yield


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before: Mapping[str, str] = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
