# SPDX-License-Identifier: Apache-2.0
"""SigLIP's vision tower."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks.attention import Attention
from quantvla_ros.models.blocks.norms import EPS


class VisionBlock(nn.Module):
    """Pre-norm transformer block of a SigLIP vision tower."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width, eps=EPS)
        self.self_attn = Attention(width, heads, heads, width // heads, bias=True)
        self.layer_norm2 = nn.LayerNorm(width, eps=EPS)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        y = self.layer_norm1(x)
        key, value = self.self_attn.key_value(y, None)
        x = x + self.self_attn.attend(self.self_attn.query(y, None), key, value, None)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.layer_norm2(x)), approximate="tanh"))
        return out


class PatchTower(nn.Module):
    """Patches of a square picture, a learned place for each, blocks and a norm.

    Patches are numbered row by row. (transformers 4.55 to 4.57 number SmolVLM's otherwise in
    float32, by rounding; earlier and later ones, and those versions in bfloat16, do as here.)
    """

    def __init__(
        self, image_size: int, patch: int, width: int, layers: int, heads: int, hidden: int
    ) -> None:
        super().__init__()
        self.patch_embedding = nn.Conv2d(3, width, patch, patch)
        self.position_embedding = nn.Parameter(torch.randn((image_size // patch) ** 2, width))
        self.layers = nn.ModuleList(VisionBlock(width, heads, hidden) for _ in range(layers))
        self.post_layernorm = nn.LayerNorm(width, eps=EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pictures [B, 3, S, S] in -1..1 to [B, (S / patch)^2, D]."""
        x = self.patch_embedding(pixels).flatten(2).transpose(1, 2) + self.position_embedding
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.post_layernorm(x)
        return out
