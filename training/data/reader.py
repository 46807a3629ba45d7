# SPDX-License-Identifier: Apache-2.0
"""Read a data set: its description, columns, episodes, and all pictures as one array."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from calib_tools.common.output import write_json
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from training.data.schema import (
    ALL_FEATURES,
    DATA_PATH,
    EPISODES_PATH,
    IMAGE_KEYS,
    IMAGE_SIZE,
    INFO_PATH,
    TASKS_PATH,
    VERSION,
    described,
)
from training.data.statistics import matrix, picture

if TYPE_CHECKING:
    import pyarrow as pa

CACHE = "cache"
_INFO_VALUES = {"total_frames": int, "fps": int}
_TASK_VALUES = {"task_index": int, "task": str}
_EPISODE_VALUES = {
    "length": int, "data/chunk_index": int, "data/file_index": int, "dataset_from_index": int,
}  # fmt: skip


class DataSet:
    """A finished data set; opening it checks that all its files are there and whole at the end."""

    def __init__(self, directory: Path) -> None:
        """Open.

        Raises:
            QuantVLAError: no data set, another layout, or a file that is missing or damaged.
        """
        self.directory = directory
        path = directory / INFO_PATH
        if not path.exists():
            raise QuantVLAError(f"There is no finished data set in {directory}; record one first.")
        self.info = read_description(path, _INFO_VALUES)
        found, wanted = self.info.get("codebase_version"), described()
        if found != VERSION or self.info.get("features") != wanted:
            raise QuantVLAError(
                f"{directory} has other columns or another layout ({found}) than this version "
                f"reads ({VERSION}); record it again."
            )
        self.episodes = _rows(directory / EPISODES_PATH, _EPISODE_VALUES)
        self.files = self._checked_files()

    def __len__(self) -> int:
        """Number of frames."""
        return int(self.info["total_frames"])

    @cached_property
    def sentences(self) -> list[str]:
        """The instruction of each task index."""
        numbers = task_indices(self.directory)
        return sorted(numbers, key=numbers.__getitem__)

    def columns(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """All values of columns other than pictures; arrays [frames, *shape], strings as objects.

        Raises:
            QuantVLAError: a file is damaged.
        """
        import pyarrow as pa

        table = pa.concat_tables([_read(file, keys) for file in self.files])
        return {key: _values(table[key], key) for key in keys}

    def episode(self, number: int) -> dict[str, Any]:
        """Frames of one episode: every column, pictures as uint8 [n, 96, 96, 3], and `task`.

        Raises:
            QuantVLAError: there is no such episode, or its file is damaged.
        """
        if not 0 <= number < len(self.episodes):
            raise QuantVLAError(
                f"{self.directory} has no episode {number}; it has 0 to {len(self.episodes) - 1}."
            )
        row = self.episodes[number]
        file = self._data_file(row)
        table = _read(file)
        start = row["dataset_from_index"] - table["index"][0].as_py()
        table = table.slice(start, row["length"])
        frames: dict[str, Any] = {
            key: _values(table[key], key) for key in ALL_FEATURES if key not in IMAGE_KEYS
        }
        for key in IMAGE_KEYS:
            frames[key] = np.stack([picture(v["bytes"]) for v in table[key].to_pylist()])
        frames["task"] = [self.sentences[i] for i in frames["task_index"]]
        return frames

    def pictures(self) -> np.ndarray:
        """All pictures, uint8 [frames, cameras, 96, 96, 3], mapped from a cache beside the data.

        The first call decodes them (0.3 ms each); later ones cost nothing.
        """
        cache, note = self.directory / CACHE / "pictures.npy", self.directory / CACHE / "made.json"
        key = [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in self.files]
        if not (
            cache.exists() and note.exists() and json.loads(note.read_text(encoding="utf-8")) == key
        ):
            note.unlink(missing_ok=True)
            self._decode_all(cache)
            write_json(note, key)
        pictures: np.ndarray = np.load(cache, mmap_mode="r")
        return pictures

    def _decode_all(self, cache: Path) -> None:
        shape = (len(self), len(IMAGE_KEYS), IMAGE_SIZE, IMAGE_SIZE, 3)
        with whole_file(cache) as temporary:
            out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
            start = 0
            for number, file in enumerate(self.files, 1):
                table = _read(file, IMAGE_KEYS)
                for camera, key in enumerate(IMAGE_KEYS):
                    for row, value in enumerate(table[key].to_pylist()):
                        out[start + row, camera] = picture(value["bytes"])
                start += len(table)
                print(f"\rpictures of {number} of {len(self.files)} files", end="", flush=True)
            print()
            out.flush()

    def _data_file(self, row: dict[str, Any]) -> Path:
        return self.directory / DATA_PATH.format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )

    def _checked_files(self) -> list[Path]:
        """Data files in order; each must hold as many frames as its episodes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        lengths: dict[Path, int] = {}
        for row in self.episodes:
            file = self._data_file(row)
            lengths[file] = lengths.get(file, 0) + row["length"]
        for file, length in lengths.items():
            try:
                found = pq.read_metadata(file).num_rows
            except FileNotFoundError:
                raise QuantVLAError(f"{file} is missing; restore it or record again.") from None
            except (OSError, pa.ArrowException) as error:
                raise _damaged(file, error) from error
            if found != length:
                raise _damaged(file, f"{found} frames in place of {length}")
        if sum(lengths.values()) != len(self):
            raise _damaged(self.directory / EPISODES_PATH, "it does not list all frames")
        return list(lengths)


def _read(file: Path, keys: Sequence[str] | None = None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(file, columns=keys and list(keys), page_checksum_verification=True)
    except FileNotFoundError:
        raise QuantVLAError(f"{file} is missing; restore it or record again.") from None
    except (OSError, pa.ArrowException) as error:
        raise _damaged(file, error) from error


def task_indices(directory: Path) -> dict[str, int]:
    """The task index of each instruction in a finished data set.

    Raises:
        QuantVLAError: the file is missing or damaged.
    """
    rows = _rows(directory / TASKS_PATH, _TASK_VALUES)
    return {row["task"]: row["task_index"] for row in rows}


def read_description(path: Path, wanted: Mapping[str, type]) -> dict[str, Any]:
    """Read a JSON file under `meta/`, which must have these values.

    Raises:
        QuantVLAError: it is missing or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no description")
    _check_values(path, content, wanted)
    return content


def _rows(file: Path, wanted: Mapping[str, type]) -> list[dict[str, Any]]:
    """Rows of a table under `meta/`; each must have these values."""
    try:
        rows: list[dict[str, Any]] = _read(file).to_pylist()
    except UnicodeDecodeError as error:
        raise _damaged(file, error) from error
    for row in rows:
        _check_values(file, row, wanted)
    return rows


def _check_values(file: Path, found: Mapping[str, Any], wanted: Mapping[str, type]) -> None:
    for key, kind in wanted.items():
        if not isinstance(found.get(key), kind):
            raise _damaged(file, f"it does not say {key}")


def read_part(
    path: Path, keys: Sequence[str]
) -> tuple[dict[str, np.ndarray], npt.NDArray[np.uint8]]:
    """Columns of one part's file, and its pictures uint8 [frames, cameras, H, W, 3].

    Raises:
        QuantVLAError: the file is missing or damaged.
    """
    table = _read(path, (*keys, *IMAGE_KEYS))
    pictures = [
        np.stack([picture(value["bytes"]) for value in table[key].to_pylist()])
        for key in IMAGE_KEYS
    ]
    return {key: _values(table[key], key) for key in keys}, np.stack(pictures, axis=1)


def _values(column: pa.ChunkedArray, key: str) -> np.ndarray:
    feature = ALL_FEATURES[key]
    if feature.dtype == "string":
        return np.array(column.to_pylist(), object)
    return matrix(column, feature)


def _damaged(file: Path, what: object) -> QuantVLAError:
    reason = str(what).splitlines()[0].rstrip(".")
    return QuantVLAError(f"{file} is damaged ({reason}); restore it or record again.")
