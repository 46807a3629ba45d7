# SPDX-License-Identifier: Apache-2.0
"""The action expert: layers that attend to the context alone, or to the actions too."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from quantvla_ros.models.blocks import Attention, GatedMLP, RotaryTable
from quantvla_ros.models.smolvla.config import SmolVLAConfig


class ActionPlaces(NamedTuple):
    """Where the rows of a chunk stand; the same for all steps of the flow.

    Attributes:
        behind_context: rotary table of their positions, counted on from the context's.
        from_zero: rotary table of positions counted from 0, for `CrossLayer`.
        joint_bias: added to logits of context and actions [B, 1, C, P + C].
        context_bias: added to logits of the context [B, 1, 1, P].
    """

    behind_context: RotaryTable
    from_zero: RotaryTable
    joint_bias: Tensor
    context_bias: Tensor


class ExpertLayer(nn.Module):
    """What both kinds of layers have: two norms, an MLP, and a way to attend."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.expert_width, config.norm_epsilon)
        self.post_attention_layernorm = nn.RMSNorm(config.expert_width, config.norm_epsilon)
        self.mlp = GatedMLP(config.expert_width, config.expert_mlp, "silu")

    def read_context(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """What the layer attends to in the context, once a chunk.

        Args:
            key: of the language model's layer of the same depth [B, G, P, E], rotated.
            value: the same.
        """
        raise NotImplementedError

    def attend(self, x: Tensor, places: ActionPlaces, key: Tensor, value: Tensor) -> Tensor:
        """What the normed actions [B, C, D] read, with what `read_context` gave."""
        raise NotImplementedError

    def forward(self, x: Tensor, places: ActionPlaces, key: Tensor, value: Tensor) -> Tensor:
        """Map action tokens [B, C, D] to [B, C, D]; keys and values are of `read_context`."""
        x = x + self.attend(self.input_layernorm(x), places, key, value)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class JointLayer(ExpertLayer):
    """Actions attend to the context, by the language model's keys and values, and to themselves."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__(config)
        self.self_attn = Attention(
            config.expert_width, config.heads, config.kv_heads, config.head_width
        )

    def read_context(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The language model's own."""
        return key, value

    def attend(self, x: Tensor, places: ActionPlaces, key: Tensor, value: Tensor) -> Tensor:
        """See `ExpertLayer.attend`."""
        attention, table = self.self_attn, places.behind_context
        own_key, own_value = attention.key_value(x, table)
        key, value = torch.cat([key, own_key], dim=2), torch.cat([value, own_value], dim=2)
        return attention.attend(attention.query(x, table), key, value, places.joint_bias)


class CrossLayer(ExpertLayer):
    """Actions attend to the context alone, by keys and values made of the language model's."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__(config)
        self.cross_attn = Attention(
            config.expert_width,
            config.heads,
            config.kv_heads,
            config.head_width,
            kv_width=config.kv_heads * config.head_width,
        )

    def read_context(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The layer's own, of all heads' columns side by side; they are not rotated again."""
        keys, values = (x.transpose(1, 2).flatten(2) for x in (key, value))
        return self.cross_attn.key_value(keys, None, values)

    def attend(self, x: Tensor, places: ActionPlaces, key: Tensor, value: Tensor) -> Tensor:
        """See `ExpertLayer.attend`."""
        query = self.cross_attn.query(x, places.from_zero)
        return self.cross_attn.attend(query, key, value, places.context_bias)


class ActionExpert(nn.Module):
    """Layers and final norm."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            JointLayer(config) if config.attends_to_actions(i) else CrossLayer(config)
            for i in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.expert_width, config.norm_epsilon)
