# SPDX-License-Identifier: Apache-2.0
"""Qwen3's language model up to the layer that the action head reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, DecoderLayer, GatedMLP, RotaryTable
from quantvla_ros.models.dit.sizes import LanguageSizes

EPS = 1e-6
"""Of all its norms. Source: rms_norm_eps of the published backbones' configurations (NVIDIA's
Cosmos-Reason2-2B and Eagle 2.5), and transformers 5.5.4 models/qwen3."""


class LanguageModel(nn.Module):
    """Token embedding and layers; of some published models the last norm is used, too."""

    norm: nn.Module | None

    def __init__(self, sizes: LanguageSizes, normed: bool) -> None:
        """Build it.

        Args:
            sizes: of it.
            normed: whether the last layer's output passes the model's norm.
        """
        super().__init__()
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(_layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.width, eps=EPS) if normed else None

    def forward(
        self, x: Tensor, table: RotaryTable, bias: Tensor, deep: Sequence[Tensor] = ()
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
        return x if self.norm is None else self.norm(x)


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
