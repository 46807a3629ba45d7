# SPDX-License-Identifier: Apache-2.0
"""What the processor is and can do, by the kernel and by PyTorch."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
ARM = "aarch64"
_UNITS = {
    "x86_64": ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8"),
    ARM: ("asimd", "asimddp", "i8mm", "sve"),
}
"""Flags of /proc/cpuinfo that decide which instructions multiply."""
_HWCAP, _DOT_PRODUCT = 16, 1 << 20  # of Linux's getauxval on 64-bit Arm


def cpu_model() -> str:
    """The processor's name."""
    return _first("model name") or platform.processor() or platform.machine()


def cpu_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """All that the processor can do, as the kernel names it; empty where it does not tell."""
    return set(_first("flags", "Features", cpuinfo=cpuinfo).split())


@cache
def cpu_kind(cpuinfo: Path = CPUINFO) -> str:
    """Architecture and the multiplying units of this CPU, such as "x86_64 avx2 avx512f"."""
    machine, flags = platform.machine(), cpu_flags(cpuinfo)
    return " ".join([machine, *(unit for unit in _UNITS.get(machine, ()) if unit in flags)])


def has_vnni() -> bool:
    """True when the CPU multiplies and adds int8 in 32 bits, by instructions of AVX-512.

    The variables ``ATEN_CPU_CAPABILITY=avx2`` (PyTorch) and ``ONEDNN_MAX_CPU_ISA=AVX2`` make a CPU
    be taken for one without.
    """
    import torch

    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and bool(torch.cpu._is_vnni_supported())


def has_dot_product() -> bool:
    """True on an Arm processor with the dot product instructions ("asimddp").

    The kernel is asked directly: /proc/cpuinfo is that of the host below an emulator.
    """
    if platform.machine() != ARM:
        return False
    ask = ctypes.CDLL(None).getauxval
    ask.argtypes, ask.restype = [ctypes.c_ulong], ctypes.c_ulong
    return bool(ask(_HWCAP) & _DOT_PRODUCT)


def _first(*keys: str, cpuinfo: Path = CPUINFO) -> str:
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return ""
