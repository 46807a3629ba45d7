# SPDX-License-Identifier: Apache-2.0
"""The stream of messages in a bag: rosbag2 directories, MCAP or SQLite3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from calib_tools.buffer.messages import RawMessage
from quantvla_ros.errors import QuantVLAError


class Bag:
    """One bag, opened and checked for the topics that are wanted from it."""

    def __init__(self, path: Path, topics: Mapping[str, tuple[str, ...]]) -> None:
        """Open a bag.

        Args:
            path: rosbag2 directory.
            topics: topic -> message types that it may carry.

        Raises:
            QuantVLAError: no bag, a topic missing (named, with those that are there), or a topic
                of another type.
        """
        from rosbags.rosbag2 import Reader

        if not (path / "metadata.yaml").is_file():
            raise QuantVLAError(
                f"'{path}' is no rosbag2 directory: it has no metadata.yaml "
                "(`ros2 bag reindex` makes one)."
            )
        try:
            self._reader = Reader(path)
            self._reader.open()
            there = {str(c.topic): str(c.msgtype) for c in self._reader.connections}
            self._connections = [c for c in self._reader.connections if c.topic in topics]
            self._count = sum(int(connection.msgcount) for connection in self._connections)
        except Exception as error:  # the storage libraries raise types of their own
            raise QuantVLAError(f"The bag '{path}' cannot be read: {_said(error)}.") from error
        self.path = path
        try:
            self._check(topics, there)
        except QuantVLAError:
            self._reader.close()
            raise

    def _check(self, topics: Mapping[str, tuple[str, ...]], there: Mapping[str, str]) -> None:
        for topic, types in topics.items():
            if topic not in there:
                raise QuantVLAError(
                    f"The bag '{self.path}' has no topic '{topic}'; it has "
                    f"{', '.join(sorted(there)) or 'none'}."
                )
            if there[topic] not in types:
                raise QuantVLAError(
                    f"'{topic}' in the bag '{self.path}' carries {there[topic]}, "
                    f"needed is {' or '.join(types)}."
                )

    def __len__(self) -> int:
        """Messages on the wanted topics."""
        return self._count

    def messages(self) -> Iterator[RawMessage]:
        """Messages of the wanted topics in the order in which they were recorded.

        Raises:
            QuantVLAError: the bag is damaged.
        """
        try:
            for connection, _, data in self._reader.messages(self._connections):
                yield RawMessage(connection.topic, connection.msgtype, bytes(data))
        except Exception as error:
            raise QuantVLAError(f"The bag '{self.path}' is damaged: {_said(error)}.") from error
        finally:
            self._reader.close()


def _said(error: Exception) -> str:
    """First line of what a library said; a YAML parser says many."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
