# SPDX-License-Identifier: Apache-2.0
"""Pictures as the published networks read them."""

from __future__ import annotations

import torch
from torch import Tensor


def as_floats(images: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures uint8 [B, N, S, S, 3] as float [B, N, 3, S, S] in -1..1, and that all are there."""
    present = torch.ones(images.shape[:2], dtype=torch.bool, device=images.device)
    pixels = images.permute(0, 1, 4, 2, 3).to(torch.float32).div_(127.5).sub_(1.0).contiguous()
    return pixels, present
