# SPDX-License-Identifier: Apache-2.0
"""What a record of the bench calls its policies, and which float is the control. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FLOAT = "float"
"""The float policy on the backend of the quantized one."""
OURS_TOLD = "of this package"
PYTORCH, INT8 = "pytorch_compiled", "int8"
"""Beside engines: the float policy by compiled PyTorch; and the quantized policy."""


def fastest_float(latency_ms: Mapping[str, Mapping[str, float]]) -> str:
    """Which of the float policies is the fastest by its median, in a record of latencies."""
    return _fastest(latency_ms, int8=False)


def fastest_int8(latency_ms: Mapping[str, Mapping[str, float]]) -> str:
    """The same of the quantized policies."""
    return _fastest(latency_ms, int8=True)


def _fastest(latency_ms: Mapping[str, Mapping[str, float]], int8: bool) -> str:
    names = [name for name in latency_ms if name.startswith(INT8) == int8]
    return min(names, key=lambda name: latency_ms[name]["p50"])


def told(kernel: str) -> str:
    """A float policy in words, by what multiplies in it."""
    return OURS_TOLD if kernel == "float32" else kernel


def heads(kernels: Mapping[str, str]) -> dict[str, str]:
    """Heads of a table's columns by policy: INT8 and the float of its backend first."""
    words = {
        name: f"INT8 ({kernel})" if name.startswith(INT8) else f"float, {told(kernel)}"
        for name, kernel in kernels.items()
    }
    if PYTORCH in words:
        words[PYTORCH] = f"float by PyTorch ({kernels[PYTORCH]})"
    return {name: words[name] for name in (INT8, *words)}


def fastest_told(record: Mapping[str, Any]) -> str:
    """The float that a record of the bench gives speedups against, in words."""
    name = record.get("fastest_float", FLOAT)  # older records have one float only
    return told(record.get("kernels", {}).get(name, "float32"))
