# SPDX-License-Identifier: Apache-2.0
"""A camera's picture to the square that the tower was trained on, byte by byte as published.

Sources: lerobot 0.4.4 policies/groot/processor_groot.py with eagle2_hg_model's image processor,
which is told to make one tile of a picture; Isaac-GR00T n1.5, gr00t/experiment/data_config.py and
gr00t/data/transform/video.py, whose squares that processor leaves as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from quantvla_ros.models.dit.pictures import resized
from quantvla_ros.models.groot_n15.config import Origin
from quantvla_ros.processing.fitting import cropped
from quantvla_ros.processing.pictures import Picture
from quantvla_ros.robot.interface import CameraSlot

KEPT = 0.95
"""Share of each side that NVIDIA's processor keeps of a picture's middle."""


@dataclass(frozen=True)
class SquarePictures:
    """From "images" by camera to "pictures", uint8 [cameras, 3, size, size].

    Attributes:
        cameras: slots in the order of the network; a picture of another aspect than its slot's is
            cropped to that first.
        size: side of the square, pixels.
        origin: whose processor it is.
    """

    cameras: Sequence[CameraSlot]
    size: int
    origin: Origin

    def __call__(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add "pictures"."""
        given, found = values["images"], []
        for slot in self.cameras:
            seen = cropped(given[slot.name], slot.height, slot.width)
            found.append(square(seen, self.size, self.origin).transpose(2, 0, 1))
        return {**values, "pictures": np.stack(found)}


def square(picture: Picture, size: int, origin: Origin) -> Picture:
    """The picture uint8 [size, size, 3], whatever its aspect was."""
    return resized(picture, size, size) if origin == "lerobot" else _middle(picture, size)


def _middle(picture: Picture, size: int) -> Picture:
    """The middle, resized as floats by a bilinear filter that smooths; bytes are cut off."""
    rows, columns = (int(side * KEPT) for side in picture.shape[:2])
    top, left = (round((a - b) / 2) for a, b in zip(picture.shape, (rows, columns), strict=False))
    kept = np.ascontiguousarray(picture[top : top + rows, left : left + columns])
    planes = torch.from_numpy(kept).permute(2, 0, 1)[None].float() / 255.0
    out = F.interpolate(planes, (size, size), mode="bilinear", align_corners=False, antialias=True)
    found: Picture = (out[0].permute(1, 2, 0) * 255).to(torch.uint8).numpy()
    return found
