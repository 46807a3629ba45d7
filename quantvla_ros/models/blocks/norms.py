# SPDX-License-Identifier: Apache-2.0
"""Norms whose gain is not plain: ``1 + w``, or made of a condition.

An adaptive norm has the linear that makes it, `dense`, and `parts`: what that gives, in its order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-6


class RMSNorm(nn.Module):
    """Root-mean-square norm in Gemma's form: the gain is ``1 + weight``."""

    def __init__(self, width: int, eps: float = EPS) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``x`` of shape [..., D] over its last axis."""
        return F.rms_norm(x, (x.shape[-1],), eps=self.eps) * (1.0 + self.weight)


class AdaptiveRMSNorm(nn.Module):
    """Norm whose scale, shift and residual gate come from a condition (adaRMS)."""

    parts = ("scale", "shift", "gate")

    def __init__(self, width: int, condition_width: int, eps: float = EPS) -> None:
        super().__init__()
        self.dense = nn.Linear(condition_width, 3 * width)
        self.eps = eps

    def forward(self, x: Tensor, modulation: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normalized [B, T, D] and the gate [B, 1, D].

        Args:
            x: [B, T, D].
            modulation: what `dense` makes of the condition, [B, 3 * D].
        """
        scale, shift, gate = modulation.unsqueeze(1).chunk(3, dim=-1)
        return F.rms_norm(x, (x.shape[-1],), eps=self.eps) * (1.0 + scale) + shift, gate


class AdaptiveLayerNorm(nn.Module):
    """Layer norm whose scale and shift come from a condition (AdaLN), in either order."""

    def __init__(
        self,
        width: int,
        condition_width: int,
        eps: float,
        parts: tuple[str, str] = ("scale", "shift"),
    ) -> None:
        super().__init__()
        self.dense = nn.Linear(condition_width, 2 * width)
        self.eps, self.parts = eps, parts

    def forward(self, x: Tensor, modulation: Tensor) -> Tensor:
        """Normalize [B, T, D].

        Args:
            x: [B, T, D].
            modulation: what `dense` makes of the condition, [B, 2 * D].
        """
        given = dict(zip(self.parts, modulation.unsqueeze(1).chunk(2, dim=-1), strict=True))
        normed = F.layer_norm(x, (x.shape[-1],), eps=self.eps)
        return normed * (1.0 + given["scale"]) + given["shift"]
