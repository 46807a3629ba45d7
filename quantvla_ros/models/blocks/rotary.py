# SPDX-License-Identifier: Apache-2.0
"""Rotary positions in the half-split form, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

RotaryTable = tuple[Tensor, Tensor]
"""Cosine and sine, each [B, 1, T, E / 2]."""


def rotary_table(positions: Tensor, head_width: int, theta: float) -> RotaryTable:
    """Cosine and sine of rotary positions, each [B, 1, T, E / 2], for positions [B, T]."""
    half = head_width // 2
    exponent = torch.arange(half, device=positions.device, dtype=torch.float32) / half
    angle = positions[:, None, :, None].float() * torch.pow(theta, -exponent)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, table: RotaryTable) -> Tensor:
    """Apply rotary positions in the half-split form to [B, H, T, E]."""
    cos, sin = table
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)
