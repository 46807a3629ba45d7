# SPDX-License-Identifier: Apache-2.0
"""Where pictures stand among the tokens of a prompt.

The prompt is: some text that ends in the mark for a picture's beginning; the first picture; text
that ends in the next one's beginning; the next picture; ...; the last end and the rest of the text.
The references pad on the left. Padding takes part in nothing and positions leave it out, so only
the order of the real tokens counts; here it is on the right, so that pictures always stand at the
same places and no row has to be looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenLayout:
    """Text and pictures in turn.

    Attributes:
        lead: text tokens in front of the first picture.
        between: the same between two pictures, one number less than pictures.
        pictures: tokens of each picture.
    """

    lead: int
    between: Sequence[int]
    pictures: Sequence[int]

    def text_parts(self, count: int) -> list[int]:
        """Lengths of the parts that `count` text tokens fall into: one more than pictures."""
        return [self.lead, *self.between, count - self.lead - sum(self.between)]

    def join(self, text: Tensor, pictures: Tensor) -> Tensor:
        """All tokens [B, S, ...] of those of text [B, T, ...] and of pictures [B, P, ...]."""
        words = text.split(self.text_parts(text.shape[1]), dim=1)
        seen = pictures.split(list(self.pictures), dim=1)
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
