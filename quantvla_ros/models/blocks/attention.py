# SPDX-License-Identifier: Apache-2.0
"""Attention: its core, its projections, and what masks add to logits."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.models.blocks.norms import EPS
from quantvla_ros.models.blocks.rotary import RotaryTable, rotate

MASKED = -6e4
"""Added to the logits of padding; finite also in float16, so that a fully masked row is no NaN."""


def attention_bias(seen: Tensor) -> Tensor:
    """What is added to logits: 0 where `seen`, bool of any shape, else `MASKED`."""
    return torch.where(seen, 0.0, MASKED)


class ScaledDotProduct(nn.Module):
    """softmax(Q K^T / sqrt(E)) V with grouped heads.

    A module of its own so that calibration can watch Q and K with a forward hook.
    """

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            query: [B, H, T, E].
            key: [B, G, S, E] with H a multiple of G.
            value: [B, G, S, E].
            mask: additive [B, 1, 1 or T, S], or None.

        Returns:
            [B, T, H * E].
        """
        groups = query.shape[1] // key.shape[1]
        if groups > 1:
            key = key.repeat_interleave(groups, dim=1)
            value = value.repeat_interleave(groups, dim=1)
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return out.transpose(1, 2).flatten(2)


class HeadNorm(nn.Module):
    """Root-mean-square norm of each head's query or key (QK-norm), with a plain gain.

    Qwen3's form has one gain [E] for all heads; the other form has one per head, [H, E].
    """

    def __init__(self, head_width: int, heads: int | None = None) -> None:
        super().__init__()
        shape = (head_width,) if heads is None else (heads, head_width)
        self.weight = nn.Parameter(torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` of shape [B, H, T, E] over its last axis."""
        return F.rms_norm(x, (x.shape[-1],), eps=EPS) * self.weight.unsqueeze(-2)


class Attention(nn.Module):
    """Projections of grouped-query attention around a `ScaledDotProduct` core.

    With `qk_norm`, queries and keys pass a norm before they are rotated; "shared" has one gain for
    all heads, "per_head" one for each. In cross-attention keys and values are made of tokens of
    `kv_width` columns.
    """

    q_norm: HeadNorm | None
    k_norm: HeadNorm | None

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        bias: bool = False,
        qk_norm: Literal["shared", "per_head"] | None = None,
        kv_width: int | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, head_width
        self.q_proj = nn.Linear(width, heads * head_width, bias=bias)
        kv_width = kv_width or width
        self.k_proj = nn.Linear(kv_width, kv_heads * head_width, bias=bias)
        self.v_proj = nn.Linear(kv_width, kv_heads * head_width, bias=bias)
        self.o_proj = nn.Linear(heads * head_width, width, bias=bias)
        self.core = ScaledDotProduct()
        self.q_norm = self.k_norm = None
        if qk_norm is not None:
            per_head = qk_norm == "per_head"
            self.q_norm = HeadNorm(head_width, heads if per_head else None)
            self.k_norm = HeadNorm(head_width, kv_heads if per_head else None)

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.view(x.shape[0], x.shape[1], heads, self.head_width).transpose(1, 2)

    def query(self, x: Tensor, table: RotaryTable | None) -> Tensor:
        """Queries [B, H, T, E], rotated when a rotary table is given."""
        query = self._split(self.q_proj(x), self.heads)
        if self.q_norm is not None:
            query = self.q_norm(query)
        return query if table is None else rotate(query, table)

    def key_value(
        self, x: Tensor, table: RotaryTable | None, value_input: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Keys (rotated when a table is given) and values, each [B, G, T, E].

        Args:
            x: what keys are made of, and values where they have no input of their own.
            table: of the keys' positions.
            value_input: the values' own input.
        """
        key = self._split(self.k_proj(x), self.kv_heads)
        if self.k_norm is not None:
            key = self.k_norm(key)
        value = self._split(self.v_proj(x if value_input is None else value_input), self.kv_heads)
        return (key if table is None else rotate(key, table)), value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attention output [B, T, D] before the residual is added."""
        out: Tensor = self.o_proj(self.core(query, key, value, mask))
        return out
