# SPDX-License-Identifier: Apache-2.0
"""Activations on a symmetric integer grid, with a scale per token or a fixed one."""

from __future__ import annotations

from torch import Tensor

TINY = 1e-8  # keeps the scale of an all-zero token finite


def activation_limit(bits: int) -> int:
    """Largest magnitude on the symmetric activation grid: 127 for 8 bits, 63 for 7."""
    return (1 << (bits - 1)) - 1


def quantize_activation(x: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """Symmetric dynamic grid per token.

    Args:
        x: float [..., in].
        limit: largest magnitude on the grid.

    Returns:
        Integers as float [..., in] and scales [..., 1].
    """
    scale = x.abs().amax(dim=-1, keepdim=True).clamp(min=TINY) / limit
    return (x / scale).round(), scale


def quantize_static(x: Tensor, limit: int, scale: Tensor) -> Tensor:
    """Grid with a fixed scale: a multiplication and a clip, no reduction over the token.

    Args:
        x: float [..., in].
        limit: largest magnitude on the grid; what lies beyond is clipped.
        scale: float32 [], the step of the grid.

    Returns:
        Integers as float [..., in]; NaN where `x` is not finite, so that a clip hides no fault.
    """
    return (x * scale.reciprocal()).round().clamp(-limit, limit) + (x - x)
