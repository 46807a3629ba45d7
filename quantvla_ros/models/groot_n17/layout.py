# SPDX-License-Identifier: Apache-2.0
"""Where pictures stand among the tokens of a prompt, and what positions follow from it.

The prompt is: some text that ends in the mark for a picture's beginning; the first picture; the
marks for its end and the next one's beginning; the next picture; ...; the last end and the rest of
the text. The reference pads on the left. Padding takes part in nothing and positions leave it out,
so only the order of the real tokens counts; here it is on the right, so that pictures always stand
at the same places and no row has to be looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from quantvla_ros.models.groot_n17.config import MERGE

BETWEEN = 2
"""Text tokens between two pictures: end of one, beginning of the next."""


@dataclass(frozen=True)
class TokenLayout:
    """Text and pictures in turn.

    Attributes:
        lead: text tokens in front of the first picture.
        grids: rows and columns of patches of each picture.
    """

    lead: int
    grids: Sequence[tuple[int, int]]

    @property
    def pictures(self) -> list[int]:
        """Tokens of each picture."""
        return [rows * columns // MERGE**2 for rows, columns in self.grids]

    def text_parts(self, count: int) -> list[int]:
        """Lengths of the parts that `count` text tokens fall into: one more than pictures."""
        between = [BETWEEN] * (len(self.grids) - 1)
        return [self.lead, *between, count - self.lead - sum(between)]

    def join(self, text: Tensor, pictures: Tensor) -> Tensor:
        """All tokens [B, S, ...] of those of text [B, T, ...] and of pictures [B, P, ...]."""
        words = text.split(self.text_parts(text.shape[1]), dim=1)
        seen = pictures.split(self.pictures, dim=1)
        joined = [part for pair in zip(words, seen, strict=False) for part in pair]
        return torch.cat([*joined, words[-1]], dim=1)

    def part(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The way back: text [B, T, ...] and pictures [B, P, ...] of all tokens [B, S, ...]."""
        words = self.text_parts(tokens.shape[1] - sum(self.pictures))
        lengths = [n for pair in zip(words, self.pictures, strict=False) for n in pair]
        parts = tokens.split([*lengths, words[-1]], dim=1)
        return torch.cat(parts[::2], dim=1), torch.cat(parts[1::2], dim=1)

    def mask(self, text: Tensor) -> Tensor:
        """Which tokens [B, S] are there, by those of text [B, T]; pictures always are."""
        seen = torch.ones(len(text), sum(self.pictures), dtype=torch.bool, device=text.device)
        return self.join(text, seen)

    def positions(self, text: Tensor) -> Tensor:
        """Positions of all tokens in time, height and width (M-RoPE), int64 [B, 3, S].

        Text counts up in all three. A picture stands still in time; its tokens count rows in
        height and columns in width from where it begins, and text goes on behind the larger.

        Args:
            text: bool [B, T], which text tokens are there.
        """
        parts = text.long().split(self.text_parts(text.shape[1]), dim=1)
        now = torch.zeros_like(parts[0].sum(dim=1))
        found = []
        for number, part in enumerate(parts):
            counted = (now[:, None] + part.cumsum(dim=1) - 1).clamp(min=0)
            found.append(counted[:, None].expand(-1, 3, -1))
            now = now + part.sum(dim=1)
            if number < len(self.grids):
                rows, columns = (side // MERGE for side in self.grids[number])
                found.append(now[:, None, None] + _steps(rows, columns, text.device))
                now = now + max(rows, columns)
        return torch.cat(found, dim=2)


def _steps(rows: int, columns: int, device: torch.device) -> Tensor:
    """Time, row and column of a picture's tokens, int64 [3, rows * columns]."""
    row = torch.arange(rows, device=device).repeat_interleave(columns)
    column = torch.arange(columns, device=device).repeat(rows)
    return torch.stack([torch.zeros_like(row), row, column])
