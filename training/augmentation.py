# SPDX-License-Identifier: Apache-2.0
"""Augmentation: pictures under another light and of a noisier sensor."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

BRIGHTNESS = 0.2
TINT = 0.06
OFFSET = 12.0  # of 255
GRAIN = 6.0
"""Largest standard deviation of the pixels' noise, of 255."""
GRAINS = 32


class Looks(NamedTuple):
    """How a batch of pictures is to look; every picture otherwise."""

    gain: Tensor  # [B, cameras, 3], of each colour
    offset: Tensor  # [B, cameras, 1]
    grain: Tensor  # int [B, cameras], which noise
    strength: Tensor  # [B, cameras], its standard deviation


def draw_looks(count: int, cameras: int, generator: torch.Generator) -> Looks:
    """Draw how `count` observations look."""

    def uniform(colours: int) -> Tensor:
        return torch.rand((count, cameras, colours), generator=generator)

    def spread(width: float, colours: int) -> Tensor:
        return (2.0 * uniform(colours) - 1.0) * width

    return Looks(
        gain=(1.0 + spread(BRIGHTNESS, 1)) * (1.0 + spread(TINT, 3)),
        offset=spread(OFFSET, 1),
        grain=torch.randint(GRAINS, (count, cameras), generator=generator),
        strength=uniform(1)[..., 0] * GRAIN,
    )


def grains(size: int, seed: int) -> Tensor:
    """Noise pictures [GRAINS, size, size, 3]: drawing new ones takes longer than a GPU's step."""
    return torch.randn((GRAINS, size, size, 3), generator=torch.Generator().manual_seed(seed))


def look(pictures: Tensor, looks: Looks, noise: Tensor) -> Tensor:
    """Pictures uint8 [B, cameras, H, W, 3] as they are to look; the mean grey stays in place."""
    gain, offset = looks.gain[:, :, None, None], looks.offset[:, :, None, None]
    grain = noise[looks.grain] * looks.strength[..., None, None, None]
    return ((pictures - 128.0) * gain + (128.0 + offset) + grain).clamp_(0.0, 255.0).to(torch.uint8)
