# SPDX-License-Identifier: Apache-2.0
"""A camera's picture to the patches that the backbone was trained on, byte by byte as published.

Source: lerobot 0.6.1 policies/groot/processor_groot.py and transformers 5.5.4's
Qwen2VLImageProcessor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.dit.pictures import resized
from quantvla_ros.models.groot_n17.config import MERGE, PATCH, PicturePath
from quantvla_ros.processing.fitting import cropped, padded
from quantvla_ros.processing.pictures import Picture
from quantvla_ros.robot.interface import CameraSlot


@dataclass(frozen=True)
class CutPatches:
    """From "images" by camera to "patches", uint8 [P, 768], of all of them.

    Attributes:
        cameras: slots in the order of the network; a picture of another aspect than its slot's is
            cropped to that first.
        path: to the trained size.
        grids: rows and columns of patches of each camera.
    """

    cameras: Sequence[CameraSlot]
    path: PicturePath
    grids: Sequence[tuple[int, int]]

    def __call__(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add "patches"."""
        pictures = values["images"]
        found = []
        for slot, grid in zip(self.cameras, self.grids, strict=True):
            seen = cropped(pictures[slot.name], slot.height, slot.width)
            found.append(cut_patches(trained_frame(seen, self.path), grid))
        return {**values, "patches": np.concatenate(found)}


def trained_frame(picture: Picture, path: PicturePath) -> Picture:
    """The picture uint8 [height, width, 3] as the policy's own processor leaves it.

    Raises:
        QuantVLAError: OpenCV is not installed and the checkpoint's pictures were made by it.
    """
    if path.letter_box:
        side = max(picture.shape[:2])
        picture = padded(picture, side, side)
    if path.method == "shortest_side":
        middle = _cropped(_shortest_side(picture, path.edge), path.crop, math.floor)
        return _shortest_side(middle, path.edge)
    whole = resized(picture, path.edge, path.edge)
    return resized(_cropped(whole, path.crop, round), *path.target)


def frame_size(slot: CameraSlot, path: PicturePath) -> tuple[int, int]:
    """Height and width that `trained_frame` gives for a slot's pictures."""
    seen = np.zeros((slot.height, slot.width, 3), np.uint8)
    height, width = trained_frame(seen, path).shape[:2]
    return height, width


def patch_grid(height: int, width: int, path: PicturePath) -> tuple[int, int]:
    """Rows and columns of patches for a frame: its sides to the nearest whole tokens.

    A frame of too many or too few pixels is made smaller or larger, by its aspect.
    """
    token = PATCH * MERGE
    rows, columns = round(height / token) * token, round(width / token) * token
    if rows * columns > path.most:
        scale = math.sqrt(height * width / path.most)
        rows, columns = (max(token, math.floor(s / scale / token) * token) for s in (height, width))
    elif rows * columns < path.fewest:
        scale = math.sqrt(path.fewest / (height * width))
        rows, columns = (math.ceil(s * scale / token) * token for s in (height, width))
    return rows // PATCH, columns // PATCH


def cut_patches(frame: Picture, grid: tuple[int, int]) -> NDArray[np.uint8]:
    """Patches uint8 [rows * columns, 768] (channel, row, column) of a frame, in merge order."""
    rows, columns = grid
    picture = resized(frame, rows * PATCH, columns * PATCH)
    shape = (rows // MERGE, MERGE, PATCH, columns // MERGE, MERGE, PATCH, 3)
    blocks = picture.reshape(shape).transpose(0, 3, 1, 4, 6, 2, 5)
    return np.ascontiguousarray(blocks.reshape(rows * columns, 3 * PATCH**2))


def _cropped(picture: Picture, share: float | None, whole: Any) -> Picture:
    """The middle of a picture; sides become whole by `whole`."""
    if share is None or not 0.0 < share < 1.0:
        return picture
    rows, columns = (max(1, int(whole(side * share))) for side in picture.shape[:2])
    top, left = (picture.shape[0] - rows) // 2, (picture.shape[1] - columns) // 2
    return picture[top : top + rows, left : left + columns]


def _shortest_side(picture: Picture, edge: int) -> Picture:
    """The shorter side at `edge`, by OpenCV's area filter."""
    height, width = picture.shape[:2]
    if min(height, width) == edge:
        return picture
    try:
        import cv2
    except ImportError as error:
        raise QuantVLAError(
            "this policy's pictures were made by OpenCV, which is not installed; install "
            "python3-opencv"
        ) from error
    scale = edge / min(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    given = np.ascontiguousarray(picture)
    return np.asarray(cv2.resize(given, size, interpolation=cv2.INTER_AREA), np.uint8)
