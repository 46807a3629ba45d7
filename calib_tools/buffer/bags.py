# SPDX-License-Identifier: Apache-2.0
"""The stream of messages in a bag: rosbag2 directories, MCAP or SQLite3."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rosbags.rosbag2.reader import DirectoryReader

from calib_tools.buffer.messages import RawMessage
from calib_tools.buffer.sqlite_file import SqliteFile
from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

_STORAGES: dict[str, Any] = {**DirectoryReader.STORAGE_PLUGINS, "sqlite3": SqliteFile}
_ENDINGS = (".mcap", ".db3")


class Bag:
    """One bag, opened and checked for the topics that are wanted from it.

    Its metadata.yaml promises a number of messages on each topic. A bag whose files hold fewer is
    refused: a part of a recording must not pass for the whole.
    """

    def __init__(self, path: Path, topics: Mapping[str, tuple[str, ...]]) -> None:
        """Open a bag.

        Args:
            path: rosbag2 directory.
            topics: topic -> message types that it may carry.

        Raises:
            QuantVLAError: no bag, a topic missing (named, with those that are there), a topic
                of another type, or fewer messages than promised.
        """
        if not (path / "metadata.yaml").is_file():
            raise QuantVLAError(
                f"'{path}' is no rosbag2 directory: it has no metadata.yaml "
                "(`ros2 bag reindex` makes one)."
            )
        self.path = path
        try:
            self._reader = DirectoryReader(path)
            self._reader.STORAGE_PLUGINS = _STORAGES
            self._reader.open()
        except Exception as error:  # the storage libraries raise types of their own
            raise self._unreadable(error) from error
        try:
            self._check_files()
            # Those of the files and not of metadata.yaml: the library drops without a word what
            # differs between the two, if only in a QoS profile.
            held = [c for storage in self._reader.storages for c in storage.connections]
            self._check_topics(topics, [*self._reader.connections, *held])
            self._connections = [c for c in held if c.topic in topics]
            self._promised = _count(c for c in self._reader.connections if c.topic in topics)
            self._check_counts(_count(self._connections))
        except Exception as error:
            self._reader.close()
            if isinstance(error, QuantVLAError):
                raise
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> QuantVLAError:
        return QuantVLAError(f"The bag '{self.path}' cannot be read: {_said(error)}.")

    def _check_files(self) -> None:
        named = {storage.path.name for storage in self._reader.storages}  # type: ignore[attr-defined]
        for file in sorted(self.path.iterdir()):
            name = file.name.removesuffix(".zstd")
            if name.endswith(_ENDINGS) and name not in named:
                raise QuantVLAError(
                    f"The bag '{self.path}' holds '{file.name}', which its metadata.yaml does not "
                    f"name; move the file away, or let {self._reindex} take it in."
                )

    def _check_topics(
        self, topics: Mapping[str, tuple[str, ...]], there: Iterable[Connection]
    ) -> None:
        kinds: dict[str, set[str]] = {}
        for connection in there:
            kinds.setdefault(connection.topic, set()).add(connection.msgtype)
        for topic, types in topics.items():
            if topic not in kinds:
                raise QuantVLAError(
                    f"The bag '{self.path}' has no topic '{topic}'; it has "
                    f"{', '.join(sorted(kinds)) or 'none'}."
                )
            if not kinds[topic] <= set(types):
                raise QuantVLAError(
                    f"'{topic}' in the bag '{self.path}' carries "
                    f"{' and '.join(sorted(kinds[topic]))}, needed is {' or '.join(types)}."
                )

    def _check_counts(self, found: Mapping[str, int]) -> None:
        for topic, promised in self._promised.items():
            if found.get(topic, 0) < promised:
                raise QuantVLAError(
                    f"The bag '{self.path}' promises {promised} messages on '{topic}' in its "
                    f"metadata.yaml, and its files hold {found.get(topic, 0)}: a file is cut off, "
                    "of another recording, or was copied without its '-wal'; copy the whole bag "
                    f"again, or let {self._reindex} count what is left."
                )

    @property
    def _reindex(self) -> str:
        return f"`ros2 bag reindex {shlex.quote(str(self.path))}`"

    def __len__(self) -> int:
        """Messages on the wanted topics."""
        return _count(self._connections).total()

    def messages(self) -> Iterator[RawMessage]:
        """Messages of the wanted topics in the order in which they were recorded.

        Raises:
            QuantVLAError: the bag is damaged, or ends before all promised messages came.
        """
        found: Counter[str] = Counter()
        try:
            for connection, _, data in self._reader.messages(self._connections):
                found[connection.topic] += 1
                yield RawMessage(connection.topic, connection.msgtype, bytes(data))
        except Exception as error:
            raise QuantVLAError(f"The bag '{self.path}' is damaged: {_said(error)}.") from error
        finally:
            self._reader.close()
        self._check_counts(found)


def _count(connections: Iterable[Connection]) -> Counter[str]:
    """Messages by topic."""
    counts: Counter[str] = Counter()
    for connection in connections:
        counts[connection.topic] += int(connection.msgcount)
    return counts


def _said(error: Exception) -> str:
    """First line of what a library said; a YAML parser says many."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
