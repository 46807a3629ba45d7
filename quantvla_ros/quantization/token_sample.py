# SPDX-License-Identifier: Apache-2.0
"""Some of the tokens that a layer is given: enough to try a transform on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SPREAD = 256  # tokens at most that are spread evenly over all; at least half as many are kept
PEAKS = 32  # tokens with the largest magnitudes, however rare: they decide a static range


@dataclass(frozen=True)
class TokenSample:
    """Tokens of a layer's input.

    Attributes:
        tokens: float32 [tokens, in].
        weights: how many of all tokens each stands for, float32 [tokens].
    """

    tokens: Tensor
    weights: Tensor


class TokenCollector:
    """Keeps every n-th token in a random order, and those with the largest magnitudes.

    In their own order every n-th could be the first of each sequence, and these are the giants.
    """

    def __init__(self, width: int) -> None:
        self._spread = self._peaks = torch.empty(0, width)
        self._every, self._seen = 1, 0
        self._order = torch.Generator().manual_seed(0)

    def add(self, tokens: Tensor) -> None:
        """Take float32 [tokens, in]; what is kept is copied."""
        first = -self._seen % self._every
        self._seen += len(tokens)
        mixed = torch.randperm(len(tokens), generator=self._order)[first :: self._every]
        self._spread = torch.cat([self._spread, tokens[mixed]])
        while len(self._spread) > SPREAD:
            self._spread = self._spread[::2].clone()
            self._every *= 2
        known = torch.cat([self._peaks, tokens])
        self._peaks = known[known.abs().amax(dim=1).topk(min(PEAKS, len(known))).indices]

    def finish(self) -> TokenSample:
        """What was kept; a peak that is kept twice weighs a little more than it should."""
        weights = torch.cat(
            [torch.full((len(self._spread),), float(self._every)), torch.ones(len(self._peaks))]
        )
        return TokenSample(torch.cat([self._spread, self._peaks]), weights)
