# SPDX-License-Identifier: Apache-2.0
"""Memory that is free, and that this process holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Of a control group: its limit, what it uses, and how much of that a new need may take."""


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that new work can have without swapping; None where the system does not tell.

    In a container, or another control group with a limit, no more than that leaves.

    Args:
        root: of the file system in which the kernel tells of memory.
    """
    free = kernel_bytes(root / "proc" / "meminfo", "MemAvailable:")
    return None if free is None else min([free, *_left_by_limits(root)])


def held_memory() -> int:
    """Resident memory of this process, bytes."""
    return kernel_bytes(_STATUS, "VmRSS:") or 0


def kernel_bytes(file: Path, key: str) -> int | None:
    """What the kernel tells in kB under a key, in bytes; None where it does not."""
    found = _number(file, key)
    return None if found is None else found * 1024


def _left_by_limits(root: Path) -> Iterator[int]:
    """What each limit leaves that holds for this process: of its groups and of those around them.

    Which files tell: the kernel's admin-guide, cgroup-v2.rst and cgroup-v1/memory.rst.
    """
    for line in _lines(root / "proc" / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if "memory" not in controllers.split(",") and controllers:
            continue
        mount = root / "sys" / "fs" / "cgroup" / ("memory" if controllers else "")
        group = mount / path.strip("/")
        limit_file, used_file, unused_key = _VERSION_1 if controllers else _VERSION_2
        for folder in (group, *group.parents):
            if not folder.is_relative_to(mount):
                break
            limit, used = _number(folder / limit_file), _number(folder / used_file)
            if limit is not None and used is not None:
                # Pages of files that nobody reads any more make way.
                used -= _number(folder / "memory.stat", unused_key) or 0
                yield max(limit - used, 0)


def _number(file: Path, key: str = "") -> int | None:
    """The number that a file consists of, or that stands behind a key at a line's beginning."""
    for line in _lines(file):
        words = line.removeprefix(key).split()
        if line.startswith(key) and words and words[0].isdecimal():  # "max" stands for no limit
            return int(words[0])
    return None


def _lines(file: Path) -> list[str]:
    with suppress(OSError):
        return file.read_text(encoding="utf-8").splitlines()
    return []
