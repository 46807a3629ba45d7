# SPDX-License-Identifier: Apache-2.0
"""Auxiliary heads that teach the context where the named things are; dropped after training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 6  # image tokens a side
CAMERAS = 2
THINGS = 2  # the object to be moved, and the place where it should end
DISTANCE_UNIT_M = 0.15


class GroundingHeads(nn.Module):
    """Which patch of each picture holds each thing, where in it, and how far apart they are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.patch = nn.Linear(width, 3 * THINGS)  # a thing's logit and offset (x, y) by token
        self.distance = nn.Linear(width, 6)  # object from the tip, place from the object

    def loss(
        self, features: Tensor, state_row: int, uv: Tensor, relative: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum of the auxiliary losses.

        Args:
            features: what the language model's last keys and values are made of [B, P, D]; image
                tokens come first.
            state_row: index of the state token.
            uv: the things in each picture [B, 2 things, 2 cameras, 2], 0..1, anything else is out
                of view.
            relative: object relative to the tool tip and place to object [B, 6], m.
        """
        features = F.rms_norm(features, (features.shape[-1],))
        batch, cells = features.shape[0], GRID * GRID
        visible = ((uv >= 0) & (uv < 1)).all(-1).float()  # [B, things, cameras]
        scaled = uv.clamp(0, 0.999) * GRID
        cell = scaled.long()
        index = cell[..., 1] * GRID + cell[..., 0]
        offset = scaled - cell - 0.5
        out = self.patch(features[:, : CAMERAS * cells])
        out = out.view(batch, CAMERAS, cells, THINGS, 3).permute(0, 3, 1, 2, 4)
        entropy = F.cross_entropy(
            out[..., 0].flatten(0, 2), index.flatten(), reduction="none"
        ).view_as(visible)
        picked = out[..., 1:].gather(3, index[..., None, None].expand(*index.shape, 1, 2))
        seen = visible.sum(0).clamp(min=1)
        patch = (entropy * visible).sum(0) / seen  # [things, cameras]
        shift = F.smooth_l1_loss(picked.squeeze(3), offset, reduction="none").sum(-1) * visible
        shift = shift.sum() / visible.sum().clamp(min=1)
        distance = F.smooth_l1_loss(
            self.distance(features[:, state_row]), relative / DISTANCE_UNIT_M, beta=0.1
        )
        parts = {
            "object_patch": patch[0].mean().detach(),
            "place_patch": patch[1].mean().detach(),
            "offset": shift.detach(),
            "distance": distance.detach(),
        }
        return 0.5 * patch.sum() + shift + 2.0 * distance, parts


def flow_pair(chunk: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Point of the flow at time ``t`` and its velocity (noise minus action), as in pi0.5."""
    shape = (-1, *([1] * (chunk.dim() - 1)))
    mix = t.view(shape)
    return mix * noise + (1.0 - mix) * chunk, noise - chunk


def flow_times(count: int, generator: torch.Generator) -> Tensor:
    """Flow times [count] from Beta(1.5, 1) on (0.001, 1], dense near the noise."""
    # The inverse of the distribution function x^1.5.
    return torch.rand(count, generator=generator).pow(1.0 / 1.5) * 0.999 + 0.001
