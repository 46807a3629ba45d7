# SPDX-License-Identifier: Apache-2.0
"""Qwen3's language model up to the layer that the action head reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, DecoderLayer, GatedMLP, RotaryTable
from quantvla_ros.models.groot_n17.config import LanguageSizes

EPS = 1e-6
"""Of all its norms. Source: lerobot 0.6.1 policies/groot/groot_n1_7.py:751-800, rms_norm_eps."""


class LanguageModel(nn.Module):
    """Token embedding and layers; the published model's last norm is not used."""

    def __init__(self, sizes: LanguageSizes) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(_layer(sizes) for _ in range(sizes.layers))

    def forward(
        self, x: Tensor, table: RotaryTable, bias: Tensor, deep: Sequence[Tensor]
    ) -> Tensor:
        """Map tokens [B, S, D] to the last layer's output [B, S, D].

        Args:
            x: tokens.
            table: of their positions.
            bias: added to logits [B, 1, S, S].
            deep: what is added to the output of each of the first layers (DeepStack), [B, S, D].
        """
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            x, _, _ = layer(x, table, bias)
            # The reference reads its features in front of the last layer's.
            if number < min(len(deep), last):
                x = x + deep[number]
        return x


def _layer(sizes: LanguageSizes) -> DecoderLayer:
    attention = Attention(
        sizes.width, sizes.heads, sizes.kv_heads, sizes.head_width, qk_norm="shared"
    )
    norm = partial(nn.RMSNorm, sizes.width, eps=EPS)
    return DecoderLayer(norm, attention, GatedMLP(sizes.width, sizes.mlp, "silu"))


def causal(mask: Tensor) -> Tensor:
    """Which keys each token sees, bool [B, 1, S, S]: those that are there, up to itself."""
    size = mask.shape[1]
    before = torch.ones(size, size, dtype=torch.bool, device=mask.device).tril()
    return before & mask[:, None, None, :]
