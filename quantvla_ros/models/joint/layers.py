# SPDX-License-Identifier: Apache-2.0
"""The two stacks of layers."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import (
    AdaptiveRMSNorm,
    Attention,
    DecoderLayer,
    GatedMLP,
    RMSNorm,
    RotaryTable,
)

QkNorm = Literal["shared", "per_head"]


class JointSizes(Protocol):
    """The sizes that both stacks need; a family's own configuration has them."""

    @property
    def vocabulary(self) -> int:
        """Rows of the table of words."""

    @property
    def width(self) -> int:
        """Of the language model."""

    @property
    def layers(self) -> int:
        """Of each stack."""

    @property
    def heads(self) -> int:
        """Query heads, of both stacks."""

    @property
    def kv_heads(self) -> int:
        """Key and value heads, of both stacks."""

    @property
    def head_width(self) -> int:
        """Columns of one head."""

    @property
    def mlp(self) -> int:
        """Middle of the language model's MLPs."""

    @property
    def expert_width(self) -> int:
        """Of the action expert."""

    @property
    def expert_mlp(self) -> int:
        """Middle of the expert's MLPs."""

    @property
    def action_width(self) -> int:
        """Columns of a chunk."""

    @property
    def horizon(self) -> int:
        """Rows of a chunk."""

    @property
    def rope_theta(self) -> float:
        """Base of the rotary positions."""

    @property
    def min_period(self) -> float:
        """Shortest period of the flow time's embedding."""

    @property
    def max_period(self) -> float:
        """Longest period of it."""


def language_layer(sizes: JointSizes) -> DecoderLayer:
    """One layer of the language model (Gemma's form)."""
    attention = Attention(sizes.width, sizes.heads, sizes.kv_heads, sizes.head_width)
    mlp = GatedMLP(sizes.width, sizes.mlp)
    return DecoderLayer(lambda: RMSNorm(sizes.width), attention, mlp)


class ExpertLayer(nn.Module):
    """One layer of the action expert: adaptive norms, attention to context and own tokens."""

    def __init__(self, sizes: JointSizes, qk_norm: QkNorm | None) -> None:
        super().__init__()
        width = sizes.expert_width
        self.input_layernorm = AdaptiveRMSNorm(width, width)
        self.self_attn = Attention(
            width, sizes.heads, sizes.kv_heads, sizes.head_width, qk_norm=qk_norm
        )
        self.post_attention_layernorm = AdaptiveRMSNorm(width, width)
        self.mlp = GatedMLP(width, sizes.expert_mlp)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        table: RotaryTable,
        context: tuple[Tensor, Tensor],
        bias: Tensor,
    ) -> Tensor:
        """Map action tokens [B, C, D] to [B, C, D].

        Args:
            x: [B, C, D].
            modulation: of the two norms [2, B, 3 * D].
            table: rotary table of the tokens.
            context: keys and values of the language model's layer, each [B, G, P, E].
            bias: added to the logits [B, 1, 1, P + C].
        """
        y, gate = self.input_layernorm(x, modulation[0])
        own_key, own_value = self.self_attn.key_value(y, table)
        key = torch.cat([context[0], own_key], dim=2)
        value = torch.cat([context[1], own_value], dim=2)
        x = x + gate * self.self_attn.attend(self.self_attn.query(y, table), key, value, bias)
        y, gate = self.post_attention_layernorm(x, modulation[1])
        out: Tensor = x + gate * self.mlp(y)
        return out


class LanguageModel(nn.Module):
    """Token embedding and layers of the language model.

    `final_norm` is for those that are trained on their words as well: no action depends on it.
    """

    def __init__(self, sizes: JointSizes, final_norm: bool) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.width)
        self.layers = nn.ModuleList(language_layer(sizes) for _ in range(sizes.layers))
        if final_norm:
            self.norm = RMSNorm(sizes.width)


class ActionExpert(nn.Module):
    """Layers and final norm of the action expert."""

    def __init__(self, sizes: JointSizes, qk_norm: QkNorm | None) -> None:
        super().__init__()
        self.layers = nn.ModuleList(ExpertLayer(sizes, qk_norm) for _ in range(sizes.layers))
        self.norm = AdaptiveRMSNorm(sizes.expert_width, sizes.expert_width)

    def modulation(self, condition: Tensor) -> Tensor:
        """Modulation of all adaptive norms by a condition [B, D]: [norms, B, 3 * D]."""
        norms = [module for module in self.modules() if isinstance(module, AdaptiveRMSNorm)]
        return torch.stack([norm.dense(condition) for norm in norms])
