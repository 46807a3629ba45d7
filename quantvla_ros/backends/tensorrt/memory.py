# SPDX-License-Identifier: Apache-2.0
"""Whether a build fits into memory, before it begins, and what it took."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from quantvla_ros.errors import BackendError

MEMINFO = Path("/proc/meminfo")
_SELF = Path("/proc/self")
MEASURED = ((10e6, 0.75e9), (432e6, 3.5e9))
"""Bytes of a part's plan, and the largest memory of the process that built it."""
SPARE = 0.3e9
"""For the system itself: a Jetson without it kills whatever grows."""
GB = 1e9


def build_memory(plan_bytes: float) -> float:
    """Bytes that building a part takes, by what the part of the nearest size took.

    Args:
        plan_bytes: size of its weights as the plan holds them.
    """
    size, took = min(MEASURED, key=lambda known: abs(math.log(known[0] / max(plan_bytes, 1.0))))
    smallest = MEASURED[0][1]  # TensorRT and PyTorch themselves
    return max(smallest, took + (took - smallest) / size * (plan_bytes - size))


def check_memory(part: str, plan_bytes: float, meminfo: Path = MEMINFO) -> None:
    """Refuse to build a part that would not fit; swap does not count, a build in it takes hours.

    Args:
        part: name, for the sentence.
        plan_bytes: see `build_memory`.
        meminfo: where the kernel tells of memory.

    Raises:
        BackendError: says what is free, what is needed and what can be done.
    """
    need, free = build_memory(plan_bytes) + SPARE, available_memory(meminfo)
    if free is None or need <= free:
        return
    raise BackendError(
        f"building '{part}' takes about {need / GB:.1f} GB of memory and {free / GB:.1f} GB are "
        "free (swap does not count); close the desktop (sudo systemctl isolate multi-user.target) "
        "and other programs, or take a board of the same kind with more memory; a policy that "
        "then fits only by halves runs with `--resident sequential`"
    )


def available_memory(meminfo: Path = MEMINFO) -> int | None:
    """Bytes that new work can have without swapping; None where the kernel does not tell."""
    return _kilobytes(meminfo, "MemAvailable:")


def forget_peak() -> None:
    """Let `peak_memory` count from now on."""
    with suppress(OSError):
        (_SELF / "clear_refs").write_text("5")


def peak_memory() -> int:
    """Largest resident memory of this process since `forget_peak`, bytes."""
    return _kilobytes(_SELF / "status", "VmHWM:") or 0


def _kilobytes(file: Path, key: str) -> int | None:
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return None
