# SPDX-License-Identifier: Apache-2.0
"""Give recorded parts their place in the data set and describe it under `meta/`.

Parts that are in already keep their numbers, so a data set can grow. `meta/info.json` is written
last: without it there is no data set, and a finish that was interrupted is simply done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calib_tools.common.output import write_json
from quantvla_ros.errors import QuantVLAError
from training.data.parts import part_path, waiting_parts, write_parquet
from training.data.reader import read_description, task_indices
from training.data.schema import (
    DATA_PATH,
    EPISODES_PATH,
    FILES_A_CHUNK,
    INFO_PATH,
    STATS_PATH,
    TASKS_PATH,
    VERSION,
    arrow_schema,
    described,
)
from training.data.statistics import Totals

if TYPE_CHECKING:
    import pyarrow as pa

PARTS_PATH = "meta/parts.json"


def data_file(directory: Path, number: int) -> Path:
    """Path of the data file of this number."""
    chunk, file = divmod(number, FILES_A_CHUNK)
    return directory / DATA_PATH.format(chunk_index=chunk, file_index=file)


def finished_parts(directory: Path) -> list[str]:
    """Names of the parts that the data set holds; the place in the list is the file number.

    Raises:
        QuantVLAError: the list is damaged.
    """
    path = directory / PARTS_PATH
    if not path.exists():
        return []
    names: list[str] = read_description(path, {"parts": list})["parts"]
    return names


def recorded_fps(directory: Path) -> int:
    """Frames a second of a finished data set.

    Raises:
        QuantVLAError: its description is missing or damaged.
    """
    return int(read_description(directory / INFO_PATH, {"fps": int})["fps"])


def finish(directory: Path, fps: int) -> None:
    """Take all parts in and write the description anew.

    Raises:
        QuantVLAError: there is nothing in the directory, or a file of it is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = finished_parts(directory)
    waiting = [path.stem for path in waiting_parts(directory)]
    names += [name for name in waiting if name not in names]
    if not names:
        raise QuantVLAError(f"There is nothing recorded in {directory}; record first.")
    known = (directory / TASKS_PATH).exists()
    sentences: dict[str, int] = task_indices(directory) if known else {}
    totals = Totals()
    episodes: list[dict[str, Any]] = []
    frames = 0
    for number, name in enumerate(names):
        part, path = part_path(directory, name), data_file(directory, number)
        try:
            table = pq.read_table(
                part if name in waiting else path, page_checksum_verification=True
            )
        except (OSError, pa.ArrowInvalid) as error:
            raise QuantVLAError(
                f"The part {name} of {directory} cannot be read ({error}); record it again."
            ) from error
        if name in waiting:
            table = _numbered(table, len(episodes), frames, sentences)
            write_parquet(path, table, _episode_ends(table))
        episodes += _episode_rows(table, number, list(sentences))
        totals.add(table)
        frames += len(table)
    _write_tasks(directory / TASKS_PATH, sentences)
    write_parquet(directory / EPISODES_PATH, pa.Table.from_pylist(episodes))
    write_json(directory / STATS_PATH, totals.summary())
    write_json(directory / PARTS_PATH, {"parts": names})
    write_json(directory / INFO_PATH, _info(episodes, frames, sentences, fps))
    for name in waiting:
        part_path(directory, name).unlink()


def _numbered(
    table: pa.Table, first_episode: int, first_frame: int, sentences: dict[str, int]
) -> pa.Table:
    import pyarrow as pa

    tasks = table["task"].to_pylist()
    for sentence in tasks:
        sentences.setdefault(sentence, len(sentences))
    numbers = {
        "episode_index": table["episode_index"].to_numpy() + first_episode,
        "index": np.arange(first_frame, first_frame + len(table)),
        "task_index": np.array([sentences[sentence] for sentence in tasks]),
    }
    for key, values in numbers.items():
        table = table.set_column(table.schema.get_field_index(key), key, pa.array(values))
    return table.drop_columns(["task"]).cast(arrow_schema())


def _episode_ends(table: pa.Table) -> list[int]:
    episode = table["episode_index"].to_numpy()
    ends: list[int] = (np.flatnonzero(np.diff(episode, append=-1)) + 1).tolist()
    return ends


def _episode_rows(table: pa.Table, number: int, sentences: list[str]) -> list[dict[str, Any]]:
    tasks, index = table["task_index"].to_numpy(), table["index"].to_numpy()
    episode = table["episode_index"].to_numpy()
    chunk, file = divmod(number, FILES_A_CHUNK)
    rows, start = [], 0
    for end in _episode_ends(table):
        used = dict.fromkeys(tasks[start:end].tolist())
        rows.append(
            {
                "episode_index": int(episode[start]),
                "tasks": [sentences[i] for i in used],
                "length": end - start,
                "data/chunk_index": chunk,
                "data/file_index": file,
                "dataset_from_index": int(index[start]),
                "dataset_to_index": int(index[end - 1]) + 1,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        start = end
    return rows


def _write_tasks(path: Path, sentences: Mapping[str, int]) -> None:
    """The sentences as pandas writes a table whose index they are."""
    import pyarrow as pa

    note = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy_type,
             "metadata": None}
            for name, kind, numpy_type in (
                ("task_index", "int64", "int64"), ("task", "unicode", "object"))
        ],
        "creator": {"library": "pyarrow", "version": pa.__version__},
    }  # fmt: skip
    table = pa.table(
        {
            "task_index": pa.array(list(sentences.values()), pa.int64()),
            "task": pa.array(list(sentences), pa.string()),
        }
    ).replace_schema_metadata({"pandas": json.dumps(note)})
    write_parquet(path, table)


def _info(
    episodes: list[dict[str, Any]],
    frames: int,
    sentences: Iterable[str],
    fps: int,
) -> dict[str, Any]:
    return {
        "codebase_version": VERSION,
        "robot_type": "panda",
        "total_episodes": len(episodes),
        "total_frames": frames,
        "total_tasks": len(list(sentences)),
        "chunks_size": FILES_A_CHUNK,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{len(episodes)}"},
        "data_path": DATA_PATH,
        "video_path": None,
        "features": described(),
    }
