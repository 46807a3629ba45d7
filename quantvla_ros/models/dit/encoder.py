# SPDX-License-Identifier: Apache-2.0
"""The block of the reader, and of a vision tower that is built the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, RotaryTable


class EncoderBlock(nn.Module):
    """Pre-norm transformer block with a plain GELU MLP."""

    def __init__(self, width: int, heads: int, hidden: int, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.self_attn = Attention(width, heads, heads, width // heads, bias=True)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(
        self,
        x: Tensor,
        table: RotaryTable | None = None,
        bias: Tensor | None = None,
        parts: Sequence[int] = (),
    ) -> Tensor:
        """Map [B, T, D] to [B, T, D].

        Args:
            x: tokens.
            table: of their positions.
            bias: added to logits.
            parts: lengths of runs of tokens that see one another and nothing else; empty for one.
        """
        y, attention = self.norm1(x), self.self_attn
        tensors = (attention.query(y, table), *attention.key_value(y, table))
        lengths = list(parts) or [x.shape[1]]
        runs = zip(*(t.split(lengths, dim=2) for t in tensors), strict=True)
        seen = [attention.core(query, key, value, bias) for query, key, value in runs]
        x = x + attention.o_proj(torch.cat(seen, dim=1))
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))
        return out
