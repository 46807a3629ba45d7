# SPDX-License-Identifier: Apache-2.0
"""Columns of a data set, as LeRobot's layout v3.0 describes and stores them.

A picture is a struct of PNG bytes and a path, a vector a list of fixed length, a matrix a list of
lists. Written from the layout's documentation; https://huggingface.co/docs/lerobot.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
TASKS_PATH = "meta/tasks.parquet"
STATS_PATH = "meta/stats.json"
INFO_PATH = "meta/info.json"
FILES_A_CHUNK = 1000

HORIZON = 16
IMAGE_SIZE = 96
CAMERAS = ("front", "wrist")
IMAGE_KEYS = tuple(f"observation.images.{name}" for name in CAMERAS)
JOINTS = (*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1")
XYZ = ("x", "y", "z")


@dataclass(frozen=True)
class Feature:
    """Type of one column; `names` are those of the last axis (of all axes for pictures)."""

    dtype: str
    shape: tuple[int, ...] = (1,)
    names: tuple[str, ...] | None = None


_PICTURE = Feature("image", (IMAGE_SIZE, IMAGE_SIZE, 3), ("height", "width", "channels"))

FEATURES: dict[str, Feature] = {
    **{key: _PICTURE for key in IMAGE_KEYS},
    "observation.state": Feature("float32", (8,), JOINTS),
    "observation.tip": Feature("float32", (3,), XYZ),
    "action": Feature("float32", (8,), JOINTS),
    "chunk": Feature("float32", (HORIZON, 8)),
    "chunk_valid": Feature("bool", (HORIZON,)),
    "scene.object": Feature("float32", (3,), XYZ),
    "scene.place": Feature("float32", (3,), XYZ),
    "scene.object_uv": Feature("float32", (2, 2)),
    "scene.place_uv": Feature("float32", (2, 2)),
    "goal.family": Feature("string"),
    "goal.object": Feature("string"),
    "goal.destination": Feature("string"),
    "event": Feature("bool"),
    "disturbed": Feature("bool"),
    "weight": Feature("float32"),
    "seed": Feature("int64"),
}
"""What a recorder gives for each frame; docs/reference/dataset.md says what they mean."""

INDEX_FEATURES: dict[str, Feature] = {
    "timestamp": Feature("float32"),
    "frame_index": Feature("int64"),
    "episode_index": Feature("int64"),
    "index": Feature("int64"),
    "task_index": Feature("int64"),
}
"""What the layout itself asks for; filled in by the writer."""

ALL_FEATURES = {**FEATURES, **INDEX_FEATURES}


def described() -> dict[str, dict[str, Any]]:
    """The features as `meta/info.json` lists them."""
    return {
        key: {"dtype": f.dtype, "shape": list(f.shape), "names": f.names and list(f.names)}
        for key, f in ALL_FEATURES.items()
    }


def arrow_type(feature: Feature) -> pa.DataType:
    """Type of the column in a parquet file."""
    import pyarrow as pa

    if feature.dtype == "image":
        return pa.struct({"bytes": pa.binary(), "path": pa.string()})
    value = pa.bool_() if feature.dtype == "bool" else pa.type_for_alias(feature.dtype)
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        return pa.list_(value, feature.shape[0])
    return pa.list_(pa.list_(value))


def _hugging_face(feature: Feature) -> dict[str, Any]:
    if feature.dtype == "image":
        return {"_type": "Image"}
    value = {"dtype": feature.dtype, "_type": "Value"}
    if feature.shape == (1,):
        return value
    if len(feature.shape) == 1:
        return {"feature": value, "length": feature.shape[0], "_type": "Sequence"}
    return {"shape": list(feature.shape), "dtype": feature.dtype, "_type": "Array2D"}


def arrow_schema() -> pa.Schema:
    """Schema of a data file, with the note by which the `datasets` library knows pictures."""
    import pyarrow as pa

    note = {"info": {"features": {key: _hugging_face(f) for key, f in ALL_FEATURES.items()}}}
    return pa.schema(
        [(key, arrow_type(feature)) for key, feature in ALL_FEATURES.items()],
        metadata={"huggingface": json.dumps(note)},
    )
