# SPDX-License-Identifier: Apache-2.0
"""From pictures to tokens of the language model."""

from __future__ import annotations

from torch import Tensor, nn

from quantvla_ros.models.blocks import PatchTower
from quantvla_ros.models.smolvla.config import SmolVLAConfig


class Connector(nn.Module):
    """Squares of neighbouring patches, each projected to one token (pixel shuffle)."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.shuffle = config.shuffle
        self.proj = nn.Linear(config.shuffle**2 * config.vision_width, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map patches [B, side^2, V], row by row, to [B, (side / shuffle)^2, D]."""
        batch, patches, width = x.shape
        step, side = self.shuffle, int(patches**0.5) // self.shuffle
        squares = x.view(batch, side, step, side, step, width).transpose(2, 3)
        out: Tensor = self.proj(squares.reshape(batch, side**2, step**2 * width))
        return out


class PictureReader(nn.Module):
    """Vision tower and connector."""

    def __init__(self, config: SmolVLAConfig) -> None:
        super().__init__()
        self.vision_model = PatchTower(
            image_size=config.image_size,
            patch=config.patch,
            width=config.vision_width,
            layers=config.vision_layers,
            heads=config.vision_heads,
            hidden=config.vision_mlp,
        )
        self.connector = Connector(config)

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures [B, 3, S, S] in -1..1 to tokens [B, image_tokens, D], not scaled."""
        out: Tensor = self.connector(self.vision_model(images))
        return out
