# SPDX-License-Identifier: Apache-2.0
"""What the steps of a flow attend to, in networks whose expert reads a language model's layers."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Context(NamedTuple):
    """Keys and values, one pair a layer of the expert, and the mask of real tokens.

    Attributes:
        keys: per layer [B, G, P, E].
        values: the same.
        mask: bool [B, P], False on padding and on pictures that are missing.
    """

    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor

    def repeat(self, times: int) -> Context:
        """The same context for `times` action chunks an observation (used in training)."""
        return Context(
            [k.repeat_interleave(times, dim=0) for k in self.keys],
            [v.repeat_interleave(times, dim=0) for v in self.values],
            self.mask.repeat_interleave(times, dim=0),
        )
