# SPDX-License-Identifier: Apache-2.0
"""Pictures as policies trained in LeRobot see them: resized as floats, with borders, in -1..1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.processing.pictures import Picture
from quantvla_ros.processing.steps import Values
from quantvla_ros.robot.interface import CameraSlot

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class FitFloatPictures:
    """Pictures of one size as float32 [cameras, 3, height, width], and which of them there are.

    Each is resized to fit, without smoothing, as `torch.nn.functional.interpolate` does by
    "bilinear"; borders fill the rest. (LeRobot 0.6.1, policies/common/vla_utils.py.)

    Attributes:
        cameras: slots in the order of the network, all of one size.
        place: where the picture stands: in the middle, an odd pixel to its bottom and right, or in
            the bottom right corner.
        border: value of the borders, where black is -1 and white 1.
    """

    cameras: Sequence[CameraSlot]
    place: Literal["middle", "bottom_right"]
    border: float = -1.0

    def __call__(self, values: Values) -> Values:
        """Change "images" and add "camera_mask"; the picture of a missing camera is black."""
        given = values["images"]
        height, width = self.cameras[0].height, self.cameras[0].width
        images = np.full((len(self.cameras), 3, height, width), -1.0, np.float32)
        for image, camera in zip(images, self.cameras, strict=True):
            if camera.name in given:
                image[:] = self._fitted(given[camera.name], height, width).transpose(2, 0, 1)
        mask = np.array([camera.name in given for camera in self.cameras])
        return {**values, "images": images, "camera_mask": mask}

    def _fitted(self, picture: Picture, height: int, width: int) -> Floats:
        rows, columns = picture.shape[:2]
        ratio = max(columns / width, rows / height)
        high, wide = int(rows / ratio), int(columns / ratio)
        top, left = height - high, width - wide
        if self.place == "middle":
            top, left = top // 2, left // 2
        out = np.full((height, width, 3), self.border, np.float32)
        resized = bilinear(picture.astype(np.float32) / np.float32(255), high, wide)
        out[top : top + high, left : left + wide] = resized * np.float32(2) - np.float32(1)
        return out


def bilinear(picture: Floats, height: int, width: int) -> Floats:
    """Resize float32 [rows, columns, channels] without smoothing; a pixel is at its middle."""
    if picture.shape[:2] == (height, width):
        return picture
    (above, below, down), (before, after, right) = (
        _neighbours(old, new) for old, new in zip(picture.shape[:2], (height, width), strict=True)
    )
    right, down = right[None, :, None], down[:, None, None]
    rows = picture[:, before] * (1 - right) + picture[:, after] * right
    out = rows[above] * (1 - down) + rows[below] * down
    return out.astype(np.float32, copy=False)


def _neighbours(old: int, new: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Of each new pixel of a side: the old ones on either side, and the share of the second."""
    scale = np.float32(old) / np.float32(new)
    place = (np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    place = place.clip(min=0)
    first = place.astype(np.intp)
    return first, np.minimum(first + 1, old - 1), place - first.astype(np.float32)
