# SPDX-License-Identifier: Apache-2.0
"""A layer of a language model."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from quantvla_ros.models.blocks.attention import Attention
from quantvla_ros.models.blocks.rotary import RotaryTable


class DecoderLayer(nn.Module):
    """Attention and an MLP, each behind a norm, that also gives its keys and values.

    Gemma, Llama and Qwen differ in the norm, the MLP's activation and the attention's norms.
    """

    def __init__(self, norm: Callable[[], nn.Module], attention: Attention, mlp: nn.Module) -> None:
        super().__init__()
        self.input_layernorm = norm()
        self.self_attn = attention
        self.post_attention_layernorm = norm()
        self.mlp = mlp

    def key_value(self, x: Tensor, table: RotaryTable) -> tuple[Tensor, Tensor]:
        """Keys and values [B, G, T, E] of this layer for the tokens ``x`` [B, T, D]."""
        return self.self_attn.key_value(self.input_layernorm(x), table)

    def forward(
        self, x: Tensor, table: RotaryTable, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the layer's output [B, T, D] with its keys and values."""
        y = self.input_layernorm(x)
        key, value = self.self_attn.key_value(y, table)
        x = x + self.self_attn.attend(self.self_attn.query(y, table), key, value, mask)
        return x + self.mlp(self.post_attention_layernorm(x)), key, value
