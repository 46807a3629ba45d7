# SPDX-License-Identifier: Apache-2.0
"""The action head: a diffusion transformer that reads what a backbone made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks import AdaptiveLayerNorm, Attention
from quantvla_ros.models.dit.sizes import HeadSizes

EPS, OUT_EPS = 1e-5, 1e-6
"""Of the blocks' norms and of the last. Source: action_head/cross_attention_dit.py of lerobot 0.4.4
and 0.6.1, which is alike in both."""
SINUSOIDS = 256
"""Columns of the flow time's first embedding. Source: the same, TimestepEncoder."""
LONGEST = 10_000.0


class TimeConstants(NamedTuple):
    """All that the flow time changes.

    Attributes:
        rows: its embedding in the action rows, [B, 1, D].
        modulation: scale and shift of all blocks' norms, then shift and scale of the last,
            [blocks + 1, B, 2 D].
    """

    rows: Tensor
    modulation: Tensor


class Mlp(nn.Module):
    """Two linears with a ReLU between, of the embodiment."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, out)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, width] to [B, T, out]."""
        out: Tensor = self.fc2(F.relu(self.fc1(x)))
        return out


class ActionEncoder(nn.Module):
    """Rows of a chunk and the flow time to tokens, of the embodiment."""

    def __init__(self, actions: int, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(actions, width)
        self.fc2 = nn.Linear(2 * width, width)
        self.fc3 = nn.Linear(width, width)

    def forward(self, x_t: Tensor, time: Tensor) -> Tensor:
        """Map [B, rows, actions] and the time's embedding [B, 1, D] to [B, rows, D]."""
        x = self.fc1(x_t)
        x = torch.cat([x, time.expand(-1, x.shape[1], -1)], dim=-1)
        out: Tensor = self.fc3(F.silu(self.fc2(x)))
        return out


class DiTBlock(nn.Module):
    """Attention behind an adaptive norm, and a GELU MLP behind a plain one.

    The published `norm2` has no gain; it is imported with one of ones, so that transforms of the
    MLP's input have a place to fold.
    """

    def __init__(self, sizes: HeadSizes, kv_width: int | None) -> None:
        super().__init__()
        width = sizes.width
        self.norm1 = AdaptiveLayerNorm(width, width, eps=EPS)
        self.attn = Attention(
            width, sizes.heads, sizes.heads, sizes.head_width, bias=True, kv_width=kv_width
        )
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.fc1, self.fc2 = nn.Linear(width, sizes.mlp), nn.Linear(sizes.mlp, width)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        memory: tuple[Tensor, Tensor] | None,
        bias: Tensor | None,
    ) -> Tensor:
        """Map [B, T, D] to [B, T, D].

        Args:
            x: state and action rows.
            modulation: of the first norm [B, 2 D].
            memory: keys and values of what is read; None: of `x` itself.
            bias: added to logits [B, 1, 1, S].
        """
        y = self.norm1(x, modulation)
        key, value = self.attn.key_value(y, None) if memory is None else memory
        x = x + self.attn.attend(self.attn.query(y, None), key, value, bias)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))
        return out


class DiT(nn.Module):
    """The blocks: even ones read what the backbone made, odd ones state and actions themselves."""

    def __init__(self, sizes: HeadSizes, context_width: int) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.width
        self.time1, self.time2 = nn.Linear(SINUSOIDS, width), nn.Linear(width, width)
        self.blocks = nn.ModuleList(
            DiTBlock(sizes, None if number % 2 else context_width) for number in range(sizes.layers)
        )
        self.norm_out = AdaptiveLayerNorm(width, width, eps=OUT_EPS, parts=("shift", "scale"))
        self.proj_out = nn.Linear(width, sizes.output)

    @property
    def readers(self) -> int:
        """How many blocks read what the backbone made."""
        return len(self.blocks[::2])

    def key_values(self, read: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of the even blocks, of what each reads [B, S, context width]."""
        pairs = zip(self.blocks[::2], read, strict=True)
        return [block.attn.key_value(x, None) for block, x in pairs]  # type: ignore[operator, union-attr]

    def time_constants(self, bucket: Tensor) -> TimeConstants:
        """Of whole buckets of flow time, float32 [B]."""
        width = self.sizes.width
        # Angles reach some hundred radians, of which float32 keeps four decimals: the order of the
        # reference's operations is part of what the network was trained on.
        sines = _angles(bucket, -torch.arange(width // 2) * (math.log(LONGEST) / (width // 2)))
        rows = torch.cat([sines.sin(), sines.cos()], dim=-1)[:, None]
        half = SINUSOIDS // 2
        angles = _angles(bucket, -math.log(LONGEST) * torch.arange(half) / (half - 1))
        embedded = torch.cat([angles.cos(), angles.sin()], dim=-1)
        condition = F.silu(self.time2(F.silu(self.time1(embedded))))
        norms = [*(block.norm1 for block in self.blocks), self.norm_out]
        return TimeConstants(rows, torch.stack([norm.dense(condition) for norm in norms]))  # type: ignore[operator, union-attr]

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        memory: Sequence[tuple[Tensor, Tensor]],
        biases: Sequence[Tensor | None],
    ) -> Tensor:
        """Map state and action rows [B, T, D] to [B, T, output].

        Args:
            x: tokens.
            modulation: see `TimeConstants`.
            memory: of `key_values`.
            biases: added to the logits of each even block [B, 1, 1, S].
        """
        for number, block in enumerate(self.blocks):
            own = number % 2 == 1
            read, bias = (None, None) if own else (memory[number // 2], biases[number // 2])
            x = block(x, modulation[number], read, bias)
        out: Tensor = self.proj_out(self.norm_out(x, modulation[-1]))
        return out


def _angles(bucket: Tensor, exponents: Tensor) -> Tensor:
    """Angles [B, count]: the bucket times frequencies that fall from 1 towards 1 / 10000."""
    return bucket[:, None] * torch.exp(exponents.to(bucket.device))
