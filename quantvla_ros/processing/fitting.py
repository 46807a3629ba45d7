# SPDX-License-Identifier: Apache-2.0
"""Bring a picture of any size to the size that a policy was trained on."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quantvla_ros.processing.pictures import Picture

Fit = Literal["crop", "pad", "stretch"]
"""What is done about another aspect ratio: "crop" keeps the middle, "pad" puts black bars around,
"stretch" changes the shape of what is seen."""


def fit_picture(picture: Picture, height: int, width: int, fit: Fit) -> Picture:
    """Resize a picture by Pillow's bilinear filter, which smooths what it shrinks.

    Args:
        picture: uint8 [any height, any width, 3].
        height: to give.
        width: to give.
        fit: for another aspect ratio.

    Returns:
        uint8 [height, width, 3]; the very picture where its size is right.
    """
    if picture.shape[:2] == (height, width):
        return picture
    seen = cropped(picture, height, width) if fit == "crop" else picture
    if fit != "pad":
        return _resized(seen, height, width)
    scale = min(height / seen.shape[0], width / seen.shape[1])
    inner = [max(1, min(round(side * scale), most))
             for side, most in zip(seen.shape[:2], (height, width), strict=True)]  # fmt: skip
    return padded(_resized(seen, *inner), height, width)


def cropped(picture: Picture, height: int, width: int) -> Picture:
    """The largest middle part of a picture with the aspect ratio of height to width; a view."""
    rows, columns = picture.shape[:2]
    high = max(1, min(rows, round(columns * height / width)))
    wide = max(1, min(columns, round(rows * width / height)))
    top, left = (rows - high) // 2, (columns - wide) // 2
    return picture[top : top + high, left : left + wide]


def padded(picture: Picture, height: int, width: int) -> Picture:
    """The picture in the middle of a black one of at least its size."""
    out = np.zeros((height, width, 3), np.uint8)
    rows, columns = picture.shape[:2]
    top, left = (height - rows) // 2, (width - columns) // 2
    out[top : top + rows, left : left + columns] = picture
    return out


def _resized(picture: Picture, height: int, width: int) -> Picture:
    if picture.shape[:2] == (height, width):
        return picture
    source = Image.fromarray(np.ascontiguousarray(picture))
    out: NDArray[np.uint8] = np.asarray(source.resize((width, height), Image.Resampling.BILINEAR))
    return out
