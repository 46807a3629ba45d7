# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads that teach the prefix where the named object is; dropped after training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.dataset import GRID


class GroundingHeads(nn.Module):
    """Which patch of each picture holds the named object, where in it, and how far it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(width, 3)  # logit and offset (x, y) of each image token
        self.distance = nn.Linear(width, 6)  # object and basket from the tip, in 0.15 m

    def loss(
        self, features: Tensor, state_row: int, uv: Tensor, relative: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Sum of the auxiliary losses.

        Args:
            features: the prefix's output [B, P, D]; image tokens come first.
            state_row: index of the state token.
            uv: the named object in each picture [B, 2, 2], 0..1, anything else is out of view.
            relative: object and basket relative to the tool tip [B, 6], m.
        """
        batch = features.shape[0]
        visible = ((uv >= 0) & (uv < 1)).all(-1).float()  # [B, 2]
        scaled = uv.clamp(0, 0.999) * GRID
        cell = scaled.long()
        index = cell[..., 1] * GRID + cell[..., 0]
        offset = scaled - cell - 0.5
        out = self.patch(features[:, : 2 * GRID * GRID]).view(batch, 2, GRID * GRID, 3)
        entropy = F.cross_entropy(
            out[..., 0].flatten(0, 1), index.flatten(), reduction="none"
        ).view(batch, 2)
        picked = out[..., 1:].gather(2, index[:, :, None, None].expand(-1, -1, 1, 2))[:, :, 0]
        seen = visible.sum(0).clamp(min=1)
        patch = (entropy * visible).sum(0) / seen
        shift = (F.smooth_l1_loss(picked, offset, reduction="none").sum(-1) * visible).sum()
        shift = shift / visible.sum().clamp(min=1)
        distance = F.smooth_l1_loss(
            self.distance(features[:, state_row]), relative / 0.15, beta=0.1
        )
        parts = {
            "patch_front": float(patch[0].detach()),
            "patch_wrist": float(patch[1].detach()),
            "offset": float(shift.detach()),
            "distance": float(distance.detach()),
        }
        return patch.mean() + shift + 2.0 * distance, parts


def flow_pair(chunk: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Point of the flow at time ``t`` and its velocity (noise minus action), as in pi0.5."""
    shape = (-1, *([1] * (chunk.dim() - 1)))
    mix = t.view(shape)
    return mix * noise + (1.0 - mix) * chunk, noise - chunk


def flow_times(count: int, generator: torch.Generator) -> Tensor:
    """Flow times [count] from Beta(1.5, 1) on (0.001, 1], dense near the noise."""
    # The inverse of the distribution function x^1.5.
    return torch.rand(count, generator=generator).pow(1.0 / 1.5) * 0.999 + 0.001
