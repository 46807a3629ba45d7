# SPDX-License-Identifier: Apache-2.0
"""What the published picture processors do alike, byte by byte."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from quantvla_ros.processing.pictures import Picture


def resized(picture: Picture, height: int, width: int) -> Picture:
    """Bicubic with antialias on bytes, which gives the bytes of torchvision on a CPU."""
    if picture.shape[:2] == (height, width):
        return picture
    planes = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    out = F.interpolate(
        planes, size=(height, width), mode="bicubic", align_corners=False, antialias=True
    )
    found: Picture = out[0].permute(1, 2, 0).numpy()
    return found
