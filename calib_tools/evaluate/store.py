# SPDX-License-Identifier: Apache-2.0
"""Finished episodes on disk: one line each, never written twice, safe against kill -9."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.settings import Settings, read_settings
from quantvla_ros.errors import OutputExistsError, QuantVLAError
from quantvla_ros.whole_file import write_file

SETTINGS, EPISODES = "settings.json", "episodes.jsonl"

Key = tuple[str, int]
"""Label of the variant, and index of the episode in the plan."""


class EpisodeStore:
    """The episodes of one evaluation in its output directory."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        """Begin an evaluation, or go on with one of the same settings.

        Raises:
            OutputExistsError: the directory holds something else, or an evaluation with other
                settings.
            QuantVLAError: another process writes there, or a line is damaged.
        """
        self.finished: dict[Key, Outcome] = {}
        _prepare(directory, settings)
        path = directory / EPISODES
        self._file = path.open("a+b")
        try:
            self._lock(directory)
            self._read(path)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> EpisodeStore:
        """Already open."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the file; another process may write then."""
        self._file.close()

    def add(self, label: str, index: int, outcome: Outcome) -> bool:
        """Write an episode down for good; False, and nothing, if it is there already."""
        if (label, index) in self.finished:
            return False
        row = {"variant": label, "index": index, **outcome.as_dict()}
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.finished[(label, index)] = outcome
        return True

    def _lock(self, directory: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise QuantVLAError(
                f"Another process evaluates into '{directory}'; wait for it or choose another "
                "--out."
            ) from error

    def _read(self, path: Path) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        self._file.truncate(whole)  # a process that was killed may have left half a line
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                row = json.loads(line)
                key = (str(row.pop("variant")), int(row.pop("index")))
                outcome = Outcome(**row)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise QuantVLAError(
                    f"Line {number} of '{path}' is damaged; remove the line, and its episode is "
                    "played again."
                ) from error
            self.finished.setdefault(key, outcome)


def _prepare(directory: Path, settings: Settings) -> None:
    """Write the settings of a new evaluation, or compare them with those of the old one."""
    path = directory / SETTINGS
    if path.is_file():
        _compare(directory, read_settings(path), settings)
        return
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OutputExistsError(
            f"'{directory}' exists and is no evaluation (it has no {SETTINGS}); choose another "
            "--out."
        )
    directory.mkdir(parents=True, exist_ok=True)
    write_file(path, settings.model_dump_json(indent=1) + "\n")


def _compare(directory: Path, old: Settings, new: Settings) -> None:
    for name in Settings.model_fields:
        before, now = getattr(old, name), getattr(new, name)
        if before == now:
            continue
        if name == "variants":
            before, now = (
                [f"{v.label} ({v.bundle_sha256[:8]})" for v in vs] for vs in (before, now)
            )
        raise OutputExistsError(
            f"The evaluation in '{directory}' began with {name} {before}, not {now}; give the same "
            "settings to go on, or another --out."
        )
