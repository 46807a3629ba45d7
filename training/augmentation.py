# SPDX-License-Identifier: Apache-2.0
"""Pictures under another light: what the training sees more of than was recorded."""

from __future__ import annotations

import torch
from torch import Tensor

BRIGHTNESS = 0.2
TINT = 0.06
OFFSET = 12.0  # of 255


def light(count: int, cameras: int, generator: torch.Generator) -> Tensor:
    """Draw a light for each picture [count, cameras, 2, 3]: gain and offset of its colours."""

    def spread(width: float, colours: int) -> Tensor:
        drawn = torch.rand((count, cameras, colours), generator=generator)
        return (2.0 * drawn - 1.0) * width

    gain = (1.0 + spread(BRIGHTNESS, 1)) * (1.0 + spread(TINT, 3))
    return torch.stack([gain, spread(OFFSET, 1).expand(gain.shape)], dim=2)


def relight(pictures: Tensor, lights: Tensor) -> Tensor:
    """Pictures uint8 [N, cameras, H, W, 3] under these lights; the mean grey stays in place."""
    gain, offset = lights[:, :, :1, None], lights[:, :, 1:, None]
    return ((pictures - 128.0) * gain + (128.0 + offset)).clamp_(0.0, 255.0).to(torch.uint8)
