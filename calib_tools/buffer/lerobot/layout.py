# SPDX-License-Identifier: Apache-2.0
"""Where a LeRobot data set keeps what: info.json, episodes, tasks, files.

Version 2.1 has one parquet and one mp4 an episode, version 3.0 puts several into one (lerobot
0.6.1, datasets/utils.py: DEFAULT_DATA_PATH, DEFAULT_EPISODES_PATH, LEGACY_EPISODES_PATH).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantvla_ros.errors import QuantVLAError

INFO = "meta/info.json"
EXTRA = "pip install 'quantvla_ros[lerobot]'"
_CHUNK = 1000  # episodes in a folder, where info.json does not say


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode.

    Attributes:
        index: of the episode.
        length: frames.
        data: parquet file with its rows.
        videos: file and number of its first frame there, by picture.
    """

    index: int
    length: int
    data: Path
    videos: Mapping[str, tuple[Path, int]]


@dataclass(frozen=True)
class Layout:
    """A data set.

    Attributes:
        path: of its folder.
        fps: frames a second.
        pictures: features that are videos.
        states: names of the state's values; empty: info.json does not say.
        tasks: instructions by number.
        episodes: in order.
    """

    path: Path
    fps: float
    pictures: tuple[str, ...]
    states: tuple[str, ...]
    tasks: Mapping[int, str]
    episodes: tuple[EpisodeRecord, ...]


def is_lerobot(path: Path) -> bool:
    """Whether a folder is a LeRobot data set."""
    return (path / INFO).is_file()


def read_layout(path: Path) -> Layout:
    """Read what a data set says of itself.

    Raises:
        QuantVLAError: it is damaged, of another version, or pyarrow is not installed.
    """
    try:
        info = json.loads((path / INFO).read_bytes())
        version = str(info["codebase_version"])
        if version not in ("v2.1", "v3.0"):
            raise QuantVLAError(
                f"{path / INFO} is of codebase_version {version}; v2.1 and v3.0 are read: convert "
                "it with LeRobot's scripts"
            )
        features = info["features"]
        episodes = _old(path, info) if version == "v2.1" else _new(path, info)
        return Layout(
            path=path,
            fps=float(info["fps"]),
            pictures=_pictures(info),
            states=_names(features["observation.state"].get("names")),
            tasks=_tasks(path, version),
            episodes=tuple(episodes),
        )
    except OSError as error:
        raise QuantVLAError(
            f"{error.filename or path} cannot be read ({error.strerror}); copy the whole data set"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise QuantVLAError(
            f"{path} is no whole LeRobot data set ({type(error).__name__}: {error}); copy it again"
        ) from error


def table(file: Path, columns: list[str] | None = None, **filters: Any) -> list[dict[str, Any]]:
    """Rows of a parquet file.

    Args:
        file: to read.
        columns: only these; all if not given.
        filters: value that a column must have.

    Raises:
        QuantVLAError: pyarrow is not installed, or the file is damaged.
    """
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise QuantVLAError(f"LeRobot data sets need pyarrow; install it: {EXTRA}") from error
    wanted = [(column, "=", value) for column, value in filters.items()] or None
    try:
        rows: list[dict[str, Any]] = read_table(file, columns=columns, filters=wanted).to_pylist()
    except (ArrowException, FileNotFoundError) as error:
        raise QuantVLAError(f"{file} cannot be read ({error}); copy the whole data set") from error
    return rows


def _pictures(info: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(k for k, feature in info["features"].items() if feature["dtype"] == "video")


def _names(said: Any) -> tuple[str, ...]:
    """Names as a list, or as lists by kind, such as ``{"motors": [...]}``."""
    if isinstance(said, Mapping):
        said = [name for names in said.values() for name in names]
    return tuple(map(str, said or ()))


def _tasks(path: Path, version: str) -> dict[int, str]:
    if version == "v2.1":
        rows = _lines(path / "meta/tasks.jsonl")
        return {int(row["task_index"]): str(row["task"]) for row in rows}
    found = {}
    for row in table(path / "meta/tasks.parquet"):
        number = int(row.pop("task_index"))
        found[number] = next(text for text in row.values() if isinstance(text, str))
    return found


def _old(path: Path, info: Mapping[str, Any]) -> Iterator[EpisodeRecord]:
    size = int(info.get("chunks_size") or _CHUNK)
    for row in _lines(path / "meta/episodes.jsonl"):
        index = int(row["episode_index"])
        place = {"episode_chunk": index // size, "episode_index": index}
        videos = {
            key: (path / info["video_path"].format(video_key=key, **place), 0)
            for key in _pictures(info)
        }
        data = path / info["data_path"].format(**place)
        yield EpisodeRecord(index, int(row["length"]), data, videos)


def _new(path: Path, info: Mapping[str, Any]) -> Iterator[EpisodeRecord]:
    for file in sorted((path / "meta/episodes").rglob("*.parquet")):
        for row in table(file):
            videos = {}
            for key in _pictures(info):
                said = {k: row[f"videos/{key}/{k}"] for k in ("chunk_index", "file_index")}
                first = round(float(row[f"videos/{key}/from_timestamp"]) * float(info["fps"]))
                videos[key] = (path / info["video_path"].format(video_key=key, **said), first)
            place = {k: row[f"data/{k}"] for k in ("chunk_index", "file_index")}
            data = path / info["data_path"].format(**place)
            yield EpisodeRecord(int(row["episode_index"]), int(row["length"]), data, videos)


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
