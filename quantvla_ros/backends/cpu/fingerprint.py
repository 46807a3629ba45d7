# SPDX-License-Identifier: Apache-2.0
"""Which kernels a judgement of a quantized bundle holds for. No torch."""

from __future__ import annotations

_EXACT = frozenset({"avx2 u7s8", "vnni u8s8", "onednn u8s8", "neon s8s8", "sdot s8s8"})
"""Kernels that a load proves equal to integer arithmetic: on one CPU they may stand in for each
other, as they do when the number of threads changes."""


def same_arithmetic(first: str, second: str) -> bool:
    """Whether two kernels, as policies name them, give the same integers."""
    return _arithmetic(first) == _arithmetic(second)


def _arithmetic(kernel: str) -> tuple[frozenset[str], str]:
    names, _, activations = kernel.partition(", ")
    exact = {"exact int8" if name in _EXACT else name for name in names.split(" and ")}
    return frozenset(exact), activations
