# SPDX-License-Identifier: Apache-2.0
"""Memory that is free, and that this process holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CONTAINER = Path("/sys/fs/cgroup")


def available_memory(meminfo: Path = MEMINFO, container: Path = _CONTAINER) -> int | None:
    """Bytes that new work can have without swapping; None where the system does not tell.

    In a container with a limit of its own no more than that leaves.

    Args:
        meminfo: where the kernel tells of memory.
        container: where it tells of the container's.
    """
    free = kernel_bytes(meminfo, "MemAvailable:")
    limit, used = (_number(container / f"memory.{name}") for name in ("max", "current"))
    if free is None or limit is None or used is None:
        return free
    return min(free, max(limit - used, 0))


def held_memory() -> int:
    """Resident memory of this process, bytes."""
    return kernel_bytes(_STATUS, "VmRSS:") or 0


def kernel_bytes(file: Path, key: str) -> int | None:
    """What the kernel tells under a key, in bytes; None where it does not."""
    with suppress(OSError):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return None


def _number(file: Path) -> int | None:
    with suppress(OSError, ValueError):  # "max" stands for no limit
        return int(file.read_text(encoding="utf-8"))
    return None
