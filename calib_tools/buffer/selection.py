# SPDX-License-Identifier: Apache-2.0
"""Which groups become samples: no near-duplicates, spread over the task rather than over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calib_tools.buffer.sources import NearDuplicate

THUMBNAIL = 12
"""Pixels along one side of a thumbnail: coarse enough to ignore sensor noise."""

_INSTRUCTION_WEIGHT = 1.0  # another instruction counts as much as one spread of joints or pictures

FloatArray = NDArray[np.float32]


def thumbnail(pixels: NDArray[np.uint8]) -> FloatArray:
    """Mean colours of a grid of tiles, 0 to 1, float32 [rows * columns * 3]."""
    rows = min(THUMBNAIL, pixels.shape[0])
    columns = min(THUMBNAIL, pixels.shape[1])
    high, wide = pixels.shape[0] // rows, pixels.shape[1] // columns
    tiles = pixels[: rows * high, : columns * wide].reshape(rows, high, columns, wide, 3)
    means: FloatArray = tiles.mean(axis=(1, 3), dtype=np.float32) / 255.0
    return means.reshape(-1)


@dataclass(frozen=True)
class Features:
    """What selection looks at.

    Attributes:
        joints: positions, float64 [joints], rad or m.
        image: thumbnails of all cameras, float32.
        instruction: the text.
    """

    joints: NDArray[np.float64]
    image: FloatArray
    instruction: str


def features_of(
    joints: NDArray[np.float64], images: Mapping[str, NDArray[np.uint8]], instruction: str
) -> Features:
    """Features of one group; the cameras in the order of the mapping."""
    return Features(joints, np.concatenate([thumbnail(i) for i in images.values()]), instruction)


@dataclass
class DifferentGroups:
    """The features of groups that differ from each other."""

    limits: NearDuplicate
    kept: list[Features] = field(default_factory=list)

    def add(self, new: Features) -> bool:
        """Keep the group, or return False because it nearly repeats a kept one."""
        for old in reversed(self.kept):  # a repetition is most often of the newest ones
            if (
                old.instruction == new.instruction
                and old.image.shape == new.image.shape
                and np.abs(old.joints - new.joints).max() < self.limits.joints
                and np.abs(old.image - new.image).mean() < self.limits.image
            ):
                return False
        self.kept.append(new)
        return True


def spread(candidates: list[Features], count: int) -> list[int]:
    """Choose candidates far from each other: each next one is the farthest from those chosen.

    Distance is over joint positions and thumbnails, each scaled by its spread over the
    candidates, and over the instruction. The same candidates give the same choice.

    Returns:
        Indices in rising order; all of them when there are no more than `count`.
    """
    if len(candidates) <= count:
        return list(range(len(candidates)))
    space = np.concatenate(
        [
            _scaled(np.stack([c.joints for c in candidates])),
            _scaled(np.stack([c.image for c in candidates])),
            _instruction_axes([c.instruction for c in candidates]),
        ],
        axis=1,
    )
    chosen = [int(np.argmin(((space - space.mean(axis=0)) ** 2).sum(axis=1)))]
    distance = np.full(len(space), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, ((space - space[chosen[-1]]) ** 2).sum(axis=1))
        distance[chosen] = -1.0
        chosen.append(int(np.argmax(distance)))
    return sorted(chosen)


def _scaled(values: NDArray[np.floating]) -> FloatArray:
    """Centre, and scale so that the mean squared distance from the centre is one."""
    centred = values - values.mean(axis=0)
    size = float(np.sqrt((centred**2).sum(axis=1).mean()))
    scaled: FloatArray = (centred / size if size > 0 else centred).astype(np.float32)
    return scaled


def _instruction_axes(texts: list[str]) -> FloatArray:
    known = sorted(set(texts))
    axes = np.zeros((len(texts), len(known)), np.float32)
    for row, text in enumerate(texts):
        axes[row, known.index(text)] = np.sqrt(_INSTRUCTION_WEIGHT / 2)
    return axes
