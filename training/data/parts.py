# SPDX-License-Identifier: Apache-2.0
"""What one process has recorded of a few seeds, before it gets its place in the data set.

Numbers of episodes, frames and sentences are known only when all processes are done, so a part
holds its episodes in order and the sentence of every frame in a column `task`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from training.data.schema import ALL_FEATURES, FEATURES, Feature, arrow_schema, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(path: Path, table: pa.Table, group_ends: list[int] | None = None) -> None:
    """Write a table with page checksums, one row group up to each of `group_ends`."""
    import pyarrow.parquet as pq

    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(temporary, table.schema, write_page_checksum=True) as writer,
    ):
        start = 0
        for end in group_ends or [len(table)]:
            writer.write_table(table.slice(start, end - start))
            start = end


PARTS = "parts"

Row = Mapping[str, Any]
"""A value for each of `schema.FEATURES`, pictures as uint8 [96, 96, 3], and the sentence `task`."""


def part_path(directory: Path, name: str) -> Path:
    """Where the part of this name is kept until the data set is finished."""
    return directory / PARTS / f"{name}.parquet"


def waiting_parts(directory: Path) -> list[Path]:
    """Files of all parts that are not in the finished data set yet, by name."""
    return sorted((directory / PARTS).glob("[!.]*.parquet"))


def png(picture: np.ndarray) -> bytes:
    """The picture, uint8 [H, W, 3], as the bytes of a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    # Level 1 takes a third of the default's time and gives files a tenth larger.
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _column(key: str, feature: Feature, values: list[Any]) -> pa.Array:
    import pyarrow as pa

    kind = arrow_type(feature)
    if feature.dtype == "image":
        return pa.array([{"bytes": png(v), "path": None} for v in values], kind)
    if feature.dtype == "string":
        return pa.array(values, kind)
    array = np.stack([np.asarray(v, feature.dtype) for v in values])
    expected = (len(values), *(() if feature.shape == (1,) else feature.shape))
    if array.shape != expected:
        raise ValueError(f"column {key} has the shape {array.shape} in place of {expected}")
    return pa.array(list(array) if array.ndim == 2 else array.tolist(), kind)


def write_part(path: Path, episodes: Sequence[Sequence[Row]], fps: int) -> None:
    """Write recorded episodes, one row group each.

    Raises:
        QuantVLAError: there is no episode.
    """
    import pyarrow as pa

    if not episodes:
        raise QuantVLAError(f"There is no successful episode for {path.stem}; take more seeds.")
    rows = [row for episode in episodes for row in episode]
    lengths = [len(episode) for episode in episodes]
    frame = np.concatenate([np.arange(n) for n in lengths])
    index = {
        "timestamp": (frame / fps).astype(np.float32),
        "frame_index": frame,
        "episode_index": np.repeat(np.arange(len(episodes)), lengths),
        "index": np.arange(len(rows)),
        "task_index": np.zeros(len(rows), np.int64),
    }
    columns = [
        pa.array(index[key])
        if key in index
        else _column(key, FEATURES[key], [row[key] for row in rows])
        for key in ALL_FEATURES
    ]
    table = pa.Table.from_arrays(columns, schema=arrow_schema())
    table = table.append_column("task", pa.array([row["task"] for row in rows], pa.string()))
    write_parquet(path, table, np.cumsum(lengths).tolist())
