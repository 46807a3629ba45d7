# SPDX-License-Identifier: Apache-2.0
"""Rotary positions with more than one axis: of patches, and of text among pictures (M-RoPE)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.models.blocks import RotaryTable

VISION_THETA = 10_000.0
"""Source: transformers 5.5.4 models/qwen3_vl, Qwen3VLVisionRotaryEmbedding."""


def _frequencies(count: int, theta: float, device: torch.device) -> Tensor:
    exponent = torch.arange(count, dtype=torch.float32, device=device) / count
    return torch.pow(theta, -exponent)


def patch_places(grid: tuple[int, int], merge: int) -> Tensor:
    """Row and column of each patch of a grid, int64 [rows * columns, 2].

    Patches that become one token stand together: (block row, block column, row, column).
    """
    rows, columns = grid
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    return merge_order(places.reshape(rows, columns, 2), merge)


def merge_order(grid: Tensor, merge: int) -> Tensor:
    """Entries [rows, columns, ...] of a grid in the order of `patch_places`, [patches, ...]."""
    rows, columns, *rest = grid.shape
    blocks = grid.reshape(rows // merge, merge, columns // merge, merge, *rest)
    return blocks.transpose(1, 2).reshape(rows * columns, *rest)


def patch_table(
    grids: Sequence[tuple[int, int]], merge: int, head_width: int, device: torch.device
) -> RotaryTable:
    """Cosine and sine [1, 1, P, E / 2] of all pictures' patches: rows, then columns."""
    places = torch.cat([patch_places(grid, merge) for grid in grids]).to(device)
    frequencies = _frequencies(head_width // 4, VISION_THETA, device)
    angle = (places[:, :, None].float() * frequencies).flatten(1)[None, None]
    return angle.cos(), angle.sin()


def interleaved_table(
    positions: Tensor, head_width: int, theta: float, sections: tuple[int, int, int]
) -> RotaryTable:
    """Cosine and sine [B, 1, S, E / 2] of positions [B, 3, S] in time, height and width.

    Frequency ``j`` belongs to height where ``j % 3`` is 1, to width where it is 2, as far as the
    sections reach, and to time otherwise.
    """
    half = head_width // 2
    axis = torch.zeros(half, dtype=torch.int64)
    for number in (1, 2):
        axis[number : 3 * sections[number] : 3] = number
    chosen = positions.float()[:, axis.to(positions.device)].transpose(1, 2)
    angle = (chosen * _frequencies(half, theta, positions.device))[:, None]
    return angle.cos(), angle.sin()
