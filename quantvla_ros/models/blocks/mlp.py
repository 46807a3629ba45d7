# SPDX-License-Identifier: Apache-2.0
"""Gated MLPs."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class GatedMLP(nn.Module):
    """``down(act(gate(x)) * up(x))``: GeGLU (GELU by tanh) or SwiGLU."""

    def __init__(
        self, width: int, hidden: int, activation: Literal["gelu", "silu"] = "gelu"
    ) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, hidden, bias=False)
        self.up_proj = nn.Linear(width, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, D] to [B, T, D]."""
        gate = self.gate_proj(x)
        gate = F.silu(gate) if self.activation == "silu" else F.gelu(gate, approximate="tanh")
        out: Tensor = self.down_proj(gate * self.up_proj(x))
        return out
