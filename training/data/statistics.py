# SPDX-License-Identifier: Apache-2.0
"""Least, largest, mean and spread of every column, as `meta/stats.json` holds them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data.schema import ALL_FEATURES, Feature

if TYPE_CHECKING:
    import pyarrow as pa

PICTURE_STRIDE = 50
"""Every so many pictures are measured; decoding them all would take minutes."""


def matrix(column: pa.ChunkedArray, feature: Feature) -> np.ndarray:
    """Values of a column of numbers as an array [rows, *shape]; a shape of (1,) gives [rows]."""
    flat = column.combine_chunks()
    for _ in feature.shape if feature.shape != (1,) else ():
        flat = flat.flatten()
    values = flat.to_numpy(zero_copy_only=False).astype(feature.dtype, copy=False)
    shaped: np.ndarray = values
    if feature.shape != (1,):
        shaped = values.reshape(len(column), *feature.shape)
    return shaped


def picture(value: bytes) -> np.ndarray:
    """Decode a picture to uint8 [H, W, 3]."""
    from PIL import Image

    with Image.open(io.BytesIO(value)) as image:
        return np.asarray(image.convert("RGB"))


@dataclass
class _Sums:
    """Running sums of one column, in float64."""

    count: int = 0
    least: np.ndarray | None = None
    largest: np.ndarray | None = None
    total: Any = 0.0
    squares: Any = 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in values [n, ...]."""
        if not len(values):
            return
        least, largest = values.min(0), values.max(0)
        self.least = least if self.least is None else np.minimum(self.least, least)
        self.largest = largest if self.largest is None else np.maximum(self.largest, largest)
        wide = values.astype(np.float64)
        self.total = self.total + wide.sum(0)
        self.squares = self.squares + (wide**2).sum(0)
        self.count += len(values)

    def summary(self) -> dict[str, Any]:
        """The layout's entry for this column."""
        mean = self.total / self.count
        spread = np.sqrt(np.maximum(self.squares / self.count - mean**2, 0.0))
        named = {"min": self.least, "max": self.largest, "mean": mean, "std": spread}
        entry = {key: np.atleast_1d(np.asarray(value)).tolist() for key, value in named.items()}
        return {**entry, "count": [self.count]}


@dataclass
class Totals:
    """Sums over all files of a data set."""

    sums: dict[str, _Sums] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Take in one data file."""
        for key, feature in ALL_FEATURES.items():
            if feature.dtype == "string":
                continue
            sums = self.sums.setdefault(key, _Sums())
            if feature.dtype == "image":
                for value in table[key].to_pylist()[::PICTURE_STRIDE]:
                    # One value a channel, 0 to 1, over all pixels: [3, 1, 1] as in LeRobot.
                    pixels = picture(value["bytes"]).reshape(-1, 3) / 255.0
                    sums.add(pixels[:, :, None, None])
            else:
                values = matrix(table[key], feature)
                sums.add(values.astype(np.uint8) if feature.dtype == "bool" else values)

    def summary(self) -> dict[str, Any]:
        """Content of `meta/stats.json`."""
        return {key: sums.summary() for key, sums in self.sums.items()}
