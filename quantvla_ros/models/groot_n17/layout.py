# SPDX-License-Identifier: Apache-2.0
"""The places of pictures in a prompt, and the positions in time, height and width that follow."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from quantvla_ros.models.dit.layout import TokenLayout
from quantvla_ros.models.groot_n17.config import MERGE

BETWEEN = 2
"""Text tokens between two pictures: end of one, beginning of the next."""


def picture_layout(lead: int, grids: Sequence[tuple[int, int]]) -> TokenLayout:
    """The layout of pictures with these rows and columns of patches."""
    between = [BETWEEN] * (len(grids) - 1)
    return TokenLayout(lead, between, [rows * columns // MERGE**2 for rows, columns in grids])


def positions(layout: TokenLayout, grids: Sequence[tuple[int, int]], text: Tensor) -> Tensor:
    """Positions of all tokens in time, height and width (M-RoPE), int64 [B, 3, S].

    Text counts up in all three. A picture stands still in time; its tokens count rows in
    height and columns in width from where it begins, and text goes on behind the larger.

    Args:
        layout: of the prompt.
        grids: rows and columns of patches of each picture.
        text: bool [B, T], which text tokens are there.
    """
    parts = text.long().split(layout.text_parts(text.shape[1]), dim=1)
    now = torch.zeros_like(parts[0].sum(dim=1))
    found = []
    for number, part in enumerate(parts):
        counted = (now[:, None] + part.cumsum(dim=1) - 1).clamp(min=0)
        found.append(counted[:, None].expand(-1, 3, -1))
        now = now + part.sum(dim=1)
        if number < len(grids):
            rows, columns = (side // MERGE for side in grids[number])
            found.append(now[:, None, None] + _steps(rows, columns, text.device))
            now = now + max(rows, columns)
    return torch.cat(found, dim=2)


def _steps(rows: int, columns: int, device: torch.device) -> Tensor:
    """Time, row and column of a picture's tokens, int64 [3, rows * columns]."""
    row = torch.arange(rows, device=device).repeat_interleave(columns)
    column = torch.arange(columns, device=device).repeat(rows)
    return torch.stack([torch.zeros_like(row), row, column])
