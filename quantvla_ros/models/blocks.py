# SPDX-License-Identifier: Apache-2.0
"""Blocks that every model family is built from.

Shapes are written ``B`` batch, ``T`` tokens, ``D`` width, ``H`` query heads, ``G`` key/value heads,
``E`` head width. All projections are plain ``nn.Linear`` modules, because the quantizer replaces
them one by one, and the attention core is a module of its own, because calibration observes it
through hooks instead of flags in the hot path.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class RMSNorm(nn.Module):
    """Root-mean-square norm in Gemma's form: the gain is ``1 + weight``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` of shape [..., D] over its last axis."""
        return F.rms_norm(x, (x.shape[-1],), eps=EPS) * (1.0 + self.weight)


class AdaptiveRMSNorm(nn.Module):
    """Norm whose scale, shift and residual gate come from a condition (adaRMS)."""

    def __init__(self, width: int, condition_width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(condition_width, 3 * width)

    def forward(self, x: Tensor, modulation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized [B, T, D] and the gate [B, 1, D].

        Args:
            x: [B, T, D].
            modulation: what `dense` makes of the condition, [B, 3 * D].
        """
        scale, shift, gate = modulation.unsqueeze(1).chunk(3, dim=-1)
        return F.rms_norm(x, (x.shape[-1],), eps=EPS) * (1.0 + scale) + shift, gate


def rotary_table(positions: Tensor, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of rotary positions, each [B, 1, T, E / 2], for positions [B, T]."""
    half = head_width // 2
    exponent = torch.arange(half, device=positions.device, dtype=torch.float32) / half
    angle = positions[:, None, :, None].float() * torch.pow(theta, -exponent)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Apply rotary positions in the half-split form to [B, H, T, E]."""
    cos, sin = table
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


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
    all heads, "per_head" one for each.
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
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, head_width
        self.q_proj = nn.Linear(width, heads * head_width, bias=bias)
        self.k_proj = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.v_proj = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.o_proj = nn.Linear(heads * head_width, width, bias=bias)
        self.core = ScaledDotProduct()
        self.q_norm = self.k_norm = None
        if qk_norm is not None:
            per_head = qk_norm == "per_head"
            self.q_norm = HeadNorm(head_width, heads if per_head else None)
            self.k_norm = HeadNorm(head_width, kv_heads if per_head else None)

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.view(x.shape[0], x.shape[1], heads, self.head_width).transpose(1, 2)

    def query(self, x: Tensor, table: tuple[Tensor, Tensor] | None) -> Tensor:
        """Queries [B, H, T, E], rotated when a rotary table is given."""
        query = self._split(self.q_proj(x), self.heads)
        if self.q_norm is not None:
            query = self.q_norm(query)
        return query if table is None else rotate(query, table)

    def key_value(self, x: Tensor, table: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Keys (rotated when a table is given) and values, each [B, G, T, E]."""
        key = self._split(self.k_proj(x), self.kv_heads)
        if self.k_norm is not None:
            key = self.k_norm(key)
        value = self._split(self.v_proj(x), self.kv_heads)
        return (key if table is None else rotate(key, table)), value

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attention output [B, T, D] before the residual is added."""
        out: Tensor = self.o_proj(self.core(query, key, value, mask))
        return out


class GatedMLP(nn.Module):
    """GeGLU: ``down(gelu(gate(x)) * up(x))``."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        out: Tensor = self.down_proj(
            F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x)
        )
        return out


def time_embedding(t: Tensor, width: int, min_period: float, max_period: float) -> Tensor:
    """Sine-cosine embedding [B, width] of flow time ``t`` [B] in 0..1."""
    fraction = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float32, device=t.device)
    period = min_period * torch.pow(max_period / min_period, fraction)
    angle = (2.0 * math.pi) * t.float()[:, None] / period
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


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
