# SPDX-License-Identifier: Apache-2.0
"""An encoder over patches, state and prompt, and a head that attends to its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from quantvla_ros.models.blocks import (
    Attention,
    GatedMLP,
    rotary_table,
    time_embedding,
)
from quantvla_ros.models.family import Network

PATCH = 4
MASKED = -6e4  # finite also in float16


class ReachConfig(BaseModel):
    """Sizes, and the 1st and 99th percentile of each state and action."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vocabulary: int
    cameras: int
    image_size: int
    state_quantiles: list[tuple[float, float]]
    action_quantiles: list[tuple[float, float]]
    width: int = 32
    heads: int = 4
    head_layers: int = 2


class EncoderBlock(nn.Module):
    """Self-attention and a gated MLP."""

    def __init__(self, config: ReachConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, heads, width // heads)
        self.mlp = GatedMLP(width, 2 * width)

    def forward(self, x: Tensor, table: Any, bias: Tensor) -> Tensor:
        """Map [B, P, D] to [B, P, D]."""
        y, attention = self.norm1(x), self.attention
        key, value = attention.key_value(y, table)
        x = x + attention.attend(attention.query(y, table), key, value, bias)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class HeadBlock(nn.Module):
    """Attention of actions to the encoder's tokens alone, and a plain MLP."""

    def __init__(self, config: ReachConfig) -> None:
        super().__init__()
        width, heads = config.width, config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cross = Attention(width, heads, heads // 2, width // heads, bias=True)
        self.fc1, self.fc2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Map [B, C, D] to [B, C, D]."""
        x = x + self.cross.attend(self.cross.query(self.norm1(x), None), key, value, bias)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out


class ReachNetwork(Network):
    """The two halves; keys and values of the head's attention belong to the first one."""

    def __init__(self, config: ReachConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.patches = nn.Linear(3 * PATCH**2, width)
        self.place = nn.Parameter(
            0.3 * torch.randn(config.cameras * (config.image_size // PATCH) ** 2, width)
        )
        self.words = nn.Embedding(config.vocabulary, width)
        self.state = nn.Linear(len(config.state_quantiles), width)
        self.encoder = EncoderBlock(config)
        self.memory_norm = nn.LayerNorm(width)
        self.pooler = nn.Linear(width, width)  # of the pretraining; no action depends on it
        self.time = nn.Linear(width, width)
        self.into = nn.Linear(len(config.action_quantiles), width)
        self.row = nn.Parameter(0.3 * torch.randn(64, width))
        self.head = nn.ModuleList(HeadBlock(config) for _ in range(config.head_layers))
        self.out = nn.Linear(width, len(config.action_quantiles))

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """Keys and values of every head layer, and what may be attended to.

        Args:
            inputs: "images", uint8 [B, cameras, S, S, 3]; "camera_mask", bool [B, cameras];
                "state" [B, n]; "tokens" and "token_mask" [B, L], padded on the left.
        """
        table, bias = self.places(inputs)
        patches = self.cut(inputs["images"])
        pairs = self.memory(patches, inputs["state"], inputs["tokens"], table, bias)
        return {"pairs": pairs, "bias": bias}

    def places(self, inputs: Mapping[str, Tensor]) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """The encoder's rotary table and what is added to logits [B, 1, 1, P]."""
        config, mask = self.config, inputs["token_mask"]
        patches = (config.image_size // PATCH) ** 2
        there = inputs["camera_mask"].repeat_interleave(patches, dim=1)
        always = torch.ones(mask.shape[0], 1, dtype=torch.bool)
        there = torch.cat([there, always, mask], dim=1)
        positions = (torch.cumsum(there, dim=1) - 1).clamp(min=0)
        table = rotary_table(positions, config.width // config.heads, 100.0)
        return table, torch.where(there, 0.0, MASKED)[:, None, None, :]

    def cut(self, images: Tensor) -> Tensor:
        """Patches [B, cameras * patches, 3 * PATCH^2] in -1..1."""
        pixels = images.float() / 127.5 - 1.0
        batch, cameras, size = pixels.shape[:3]
        side = size // PATCH
        cut = pixels.reshape(batch, cameras, side, PATCH, side, PATCH, 3).transpose(3, 4)
        return cut.reshape(batch, cameras * side**2, -1)

    def memory(
        self, patches: Tensor, state: Tensor, tokens: Tensor, table: Any, bias: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of every head layer."""
        seen = self.patches(patches) + self.place
        x = torch.cat([seen, self.state(state)[:, None], self.words(tokens)], dim=1)
        memory = self.memory_norm(self.encoder(x, table, bias))
        return [block.cross.key_value(memory, None) for block in self.head]  # type: ignore[operator, union-attr]

    def time_constants(self, t: Tensor) -> dict[str, Tensor]:
        """The time's token [B, 1, D]."""
        return {"time": self.time(time_embedding(t, self.config.width, 4e-3, 4.0))[:, None]}

    def step(self, x_t: Tensor, time_constants: Any, context: Any) -> Tensor:
        """Velocity, action minus noise; flow time 0 is pure noise and 1 the action."""
        return self.refine(x_t, time_constants["time"], context["pairs"], context["bias"])

    def refine(
        self, x_t: Tensor, time: Tensor, pairs: Sequence[tuple[Tensor, Tensor]], bias: Tensor
    ) -> Tensor:
        """The head's velocity [B, C, actions]."""
        x = self.into(x_t) + self.row[: x_t.shape[1]] + time
        for block, (key, value) in zip(self.head, pairs, strict=True):
            x = block(x, key, value, bias)
        out: Tensor = self.out(x)
        return out
