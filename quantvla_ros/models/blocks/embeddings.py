# SPDX-License-Identifier: Apache-2.0
"""Embedding of the flow time."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def time_embedding(t: Tensor, width: int, min_period: float, max_period: float) -> Tensor:
    """Sine-cosine embedding [B, width], float32, of flow time ``t`` [B] in 0..1.

    The shortest period makes angles of some thousand radians, of which float32 loses the fourth
    decimal; so angles are float64, as in the published policies.
    """
    fraction = torch.linspace(0.0, 1.0, width // 2, dtype=torch.float64, device=t.device)
    period = min_period * torch.pow(max_period / min_period, fraction)
    angle = (2.0 * math.pi) * t.double()[:, None] / period
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()
