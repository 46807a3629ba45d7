# SPDX-License-Identifier: Apache-2.0
"""What a judgement of a quantized bundle holds for: the kind of CPU and the kernels. No torch."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from quantvla_ros.processor import CPUINFO, cpu_flags

_UNITS = {
    "x86_64": ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8"),
    "aarch64": ("asimd", "asimddp", "i8mm", "sve"),
}
"""Flags of /proc/cpuinfo that decide which instructions multiply."""

_EXACT = frozenset({"avx2 u7s8", "vnni u8s8", "onednn u8s8", "neon s8s8", "sdot s8s8"})
"""Kernels that a load proves equal to integer arithmetic: on one CPU they may stand in for each
other, as they do when the number of threads changes."""


@cache
def cpu_kind(cpuinfo: Path = CPUINFO) -> str:
    """Architecture and the multiplying units of this CPU, such as "x86_64 avx2 avx512f"."""
    machine, flags = platform.machine(), cpu_flags(cpuinfo)
    return " ".join([machine, *(unit for unit in _UNITS.get(machine, ()) if unit in flags)])


def same_arithmetic(first: str, second: str) -> bool:
    """Whether two kernels, as policies name them, give the same integers."""
    return _arithmetic(first) == _arithmetic(second)


def _arithmetic(kernel: str) -> tuple[frozenset[str], str]:
    names, _, activations = kernel.partition(", ")
    exact = {"exact int8" if name in _EXACT else name for name in names.split(" and ")}
    return frozenset(exact), activations
