# SPDX-License-Identifier: Apache-2.0
"""What the processor is and can do, by /proc/cpuinfo and by PyTorch."""

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


def has_vnni() -> bool:
    """True when the CPU multiplies and adds int8 in 32 bits, by instructions of AVX-512.

    The variables ``ATEN_CPU_CAPABILITY=avx2`` (PyTorch) and ``ONEDNN_MAX_CPU_ISA=AVX2`` make a CPU
    be taken for one without.
    """
    import torch

    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and bool(torch.cpu._is_vnni_supported())


def _first(*keys: str, cpuinfo: Path = CPUINFO) -> str:
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return ""
