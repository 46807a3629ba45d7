# SPDX-License-Identifier: Apache-2.0
"""Qwen3-VL's vision tower with DeepStack."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import RotaryTable
from quantvla_ros.models.dit.encoder import EncoderBlock
from quantvla_ros.models.groot_n17.config import FRAMES, MERGE, PATCH, VisionSizes
from quantvla_ros.models.groot_n17.rotary import merge_order

EPS = 1e-6
"""Source: transformers 5.5.4 models/qwen3_vl, Qwen3VLVisionBlock and Qwen3VLVisionPatchMerger."""


class PatchMerger(nn.Module):
    """Four neighbouring patches to one token of the language model.

    The tower's own output is normed patch by patch, DeepStack's after the four are one.
    """

    def __init__(self, width: int, out: int, norm_first: bool) -> None:
        super().__init__()
        hidden = width * MERGE**2
        self.norm = nn.LayerNorm(width if norm_first else hidden, eps=EPS)
        self.fc1, self.fc2 = nn.Linear(hidden, hidden), nn.Linear(hidden, out)
        self.norm_first, self.hidden = norm_first, hidden

    def forward(self, x: Tensor) -> Tensor:
        """Map patches [B, P, D] in merge order to tokens [B, P / 4, out]."""
        if self.norm_first:
            x = self.norm(x)
        x = x.reshape(x.shape[0], -1, self.hidden)
        if not self.norm_first:
            x = self.norm(x)
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class VisionTower(nn.Module):
    """Patches to tokens, and to what DeepStack adds in the first layers of the language model.

    `positions` are the learned ones, interpolated to the cameras' grids when the checkpoint was
    imported.
    """

    def __init__(self, sizes: VisionSizes, grids: Sequence[tuple[int, int]], out: int) -> None:
        super().__init__()
        self.sizes, self.lengths = sizes, [rows * columns for rows, columns in grids]
        width = sizes.width
        self.patch_embed = nn.Linear(3 * FRAMES * PATCH**2, width)
        self.positions = nn.Parameter(torch.randn(sum(self.lengths), width))
        self.blocks = nn.ModuleList(
            EncoderBlock(width, sizes.heads, sizes.mlp, EPS) for _ in range(sizes.layers)
        )
        self.merger = PatchMerger(width, out, norm_first=True)
        self.deepstack = nn.ModuleList(PatchMerger(width, out, False) for _ in sizes.deepstack)

    def forward(self, pixels: Tensor, table: RotaryTable) -> tuple[Tensor, list[Tensor]]:
        """Tokens of all pictures [B, P / 4, out], and DeepStack's, one of that shape a layer.

        Args:
            pixels: [B, P, 1536] in -1..1, patches of all pictures.
            table: of their rows and columns.
        """
        x = self.patch_embed(pixels) + self.positions
        deep = []
        for number, block in enumerate(self.blocks):
            x = block(x, table, parts=self.lengths)
            if number in self.sizes.deepstack:
                merger = self.deepstack[self.sizes.deepstack.index(number)]
                deep.append(merger(x))
        return self.merger(x), deep


def patch_pixels(patches: Tensor) -> Tensor:
    """What `VisionTower` takes of uint8 patches [B, P, 768] (channel, row, column)."""
    pixels = (patches.float() - 127.5) / 127.5
    still = pixels.unflatten(2, (3, 1, PATCH**2)).expand(-1, -1, 3, FRAMES, PATCH**2)
    out: Tensor = still.flatten(2)
    return out


def interpolated_positions(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Learned positions of a square grid, brought to another one, in merge order.

    Bilinear with the corners aligned, in float32.

    Args:
        table: [side * side, D].
        grid: rows and columns of patches.

    Returns:
        float32 [rows * columns, D].
    """
    side = round(len(table) ** 0.5)
    square = table.float().reshape(side, side, -1)
    (top, bottom, down), (left, right, along) = (_neighbours(n, side, table.device) for n in grid)
    down, along = down[:, None, None], along[None, :, None]
    upper = square[top][:, left] * (1 - along) + square[top][:, right] * along
    lower = square[bottom][:, left] * (1 - along) + square[bottom][:, right] * along
    return merge_order(upper * (1 - down) + lower * down, MERGE)


def _neighbours(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Entries before and behind each of `count` places among `side`, and the way between."""
    places = torch.linspace(0, side - 1, count, device=device)
    before = places.long()
    return before, (before + 1).clamp(max=side - 1), places - before
