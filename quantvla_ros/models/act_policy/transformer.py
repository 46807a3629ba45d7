# SPDX-License-Identifier: Apache-2.0
"""Layers of ACT's transformer: norms stand behind what is added, places are added to q and k."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.act_policy.config import ActPolicyConfig
from quantvla_ros.models.blocks import Attention

EPS = 1e-5
"""Of all norms. Source: torch's default, which LeRobot 0.6.1 leaves."""


class Layer(nn.Module):
    """The MLP that every layer ends with, and its norm."""

    def __init__(self, config: ActPolicyConfig) -> None:
        super().__init__()
        width = config.token_width
        self.fc1, self.fc2 = nn.Linear(width, config.mlp), nn.Linear(config.mlp, width)
        self.norm_mlp = nn.LayerNorm(width, eps=EPS)
        self.activation = config.activation

    def mlp(self, x: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        y = self.fc1(x)
        y = F.relu(y) if self.activation == "relu" else F.gelu(y)
        out: Tensor = self.norm_mlp(x + self.fc2(y))
        return out


class EncoderLayer(Layer):
    """Self-attention of what the robot sees and feels."""

    def __init__(self, config: ActPolicyConfig) -> None:
        super().__init__(config)
        self.self_attn, self.norm_self = _attention(config), _norm(config)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Map tokens [B, T, D] with their places [T, D] to [B, T, D]."""
        x = self.norm_self(x + _attend(self.self_attn, x, x, (places, places)))
        return self.mlp(x)


class DecoderLayer(Layer):
    """Rows of the chunk read one another, and then what the encoder made.

    Of the first layer the former is a constant (see `Act.start`), so it has none.
    """

    self_attn: Attention | None

    def __init__(self, config: ActPolicyConfig, first: bool) -> None:
        super().__init__(config)
        self.self_attn = None if first else _attention(config)
        self.norm_self = None if first else _norm(config)
        self.cross_attn, self.norm_cross = _attention(config), _norm(config)

    def forward(self, x: Tensor, read: Tensor, own: Tensor, places: Tensor) -> Tensor:
        """Map rows [B, R, D] to [B, R, D].

        Args:
            x: rows.
            read: what the encoder made [B, T, D].
            own: places of the rows [R, D].
            places: of what is read [T, D].
        """
        if self.self_attn is not None and self.norm_self is not None:
            x = self.norm_self(x + _attend(self.self_attn, x, x, (own, own)))
        x = self.norm_cross(x + _attend(self.cross_attn, x, read, (own, places)))
        return self.mlp(x)


def _attention(config: ActPolicyConfig) -> Attention:
    width, heads = config.token_width, config.heads
    return Attention(width, heads, heads, width // heads, bias=True)


def _norm(config: ActPolicyConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.token_width, eps=EPS)


def _attend(attention: Attention, x: Tensor, read: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
    own = x + places[0]
    seen = own if read is x and places[0] is places[1] else read + places[1]
    key, value = attention.key_value(seen, None, read)
    return attention.attend(attention.query(own, None), key, value, None)
