# SPDX-License-Identifier: Apache-2.0
"""Made-up frames for the tests of the data set: no simulator is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from training.data.finish import finish
from training.data.parts import part_path, write_part
from training.data.schema import FEATURES, HORIZON


def frame(
    rng: np.random.Generator, sentence: str = "put the butter in the basket"
) -> dict[str, Any]:
    """A frame with a value of its own in every column."""
    row: dict[str, Any] = {"task": sentence}
    for key, feature in FEATURES.items():
        shape = () if feature.shape == (1,) else feature.shape
        if feature.dtype == "image":
            row[key] = rng.integers(0, 256, shape, dtype=np.uint8)
        elif feature.dtype == "float32":
            row[key] = rng.normal(size=shape).astype(np.float32)
        elif feature.dtype == "bool":
            row[key] = rng.random(shape) < 0.5
        elif feature.dtype == "int64":
            row[key] = np.int64(rng.integers(1000))
    row |= {"goal.family": "pick_place", "goal.object": "butter", "goal.destination": "basket"}
    row |= {"weight": np.float32(1.0), "disturbed": False, "chunk_valid": np.ones(HORIZON, bool)}
    return row


def episodes(seed: int, lengths: list[int]) -> list[list[dict[str, Any]]]:
    """Episodes of these lengths."""
    rng = np.random.default_rng(seed)
    return [[frame(rng) for _ in range(length)] for length in lengths]


def write_data_set(out: Path, lengths: list[int]) -> Path:
    """A finished data set of one part with episodes of these lengths."""
    write_part(part_path(out, "pick_place-0000000"), episodes(0, lengths), 10)
    finish(out, 10)
    return out
