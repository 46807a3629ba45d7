# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of the processor in /proc/cpuinfo."""

from __future__ import annotations

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cpu_model() -> str:
    """The processor's name."""
    return _first("model name") or platform.processor() or platform.machine()


def cpu_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """All that the processor can do, as the kernel names it; empty where it does not tell."""
    return set(_first("flags", "Features", cpuinfo=cpuinfo).split())


def _first(*keys: str, cpuinfo: Path = CPUINFO) -> str:
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return ""
