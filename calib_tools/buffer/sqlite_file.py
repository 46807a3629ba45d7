# SPDX-License-Identifier: Apache-2.0
"""One SQLite3 file of a bag, under any name and with what its recorder left in a log beside it.

`rosbags` has a reader of its own, which takes the file's name for a part of a URI, so that `%`, `?`
and `#` in it name another file, and which never looks into the log.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    MessageDefinition,
    MessageDefinitionFormat,
)

_LOGS = ("-wal", "-journal")


class SqliteFile:
    """A storage as `rosbags` asks for one.

    Attributes:
        path: the file.
        connections: its topics with the number of messages that are there, once it is open.
    """

    def __init__(self, path: Path) -> None:
        # A log lies beside the file itself, not beside a link to it.
        self.path = path.resolve()
        self.connections: list[Connection] = []
        self._made: Path | None = None

    def open(self) -> None:
        """Open the file and list its topics.

        Raises:
            sqlite3.Error: no such database, or a damaged one.
            OSError: it has a log that cannot be read where it lies.
        """
        log = _log_of(self.path)
        # A file without a log is read as it is, also where nothing may be written beside it.
        how = "mode=ro" if log else "immutable=1"
        index = self.path.with_name(f"{self.path.name}-shm")
        self._made = index if log and not os.path.lexists(index) else None
        self._database = sqlite3.connect(f"{self.path.as_uri()}?{how}", uri=True)
        try:
            self.connections = self._topics()
        except sqlite3.Error as error:
            self.close()
            if log is None:
                raise
            command = f"sqlite3 {shlex.quote(str(self.path))} 'PRAGMA wal_checkpoint(TRUNCATE)'"
            raise OSError(
                f"its recorder was ended and left messages in '{log.name}' ({error}); "
                f"run `{command}` where the folder can be written"
            ) from error

    def _topics(self) -> list[Connection]:
        rows = self._database.execute(
            "SELECT topics.id, name, type, serialization_format, count(messages.id) FROM topics "
            "LEFT JOIN messages ON topics.id = messages.topic_id GROUP BY topics.id"
        )
        return [
            Connection(
                id=number,
                topic=name,
                msgtype=msgtype,
                msgdef=MessageDefinition(MessageDefinitionFormat.NONE, ""),
                digest="",
                msgcount=count,
                ext=ConnectionExtRosbag2(serialization, []),
                owner=self,
            )
            for number, name, msgtype, serialization, count in rows
        ]

    def messages(
        self, connections: Collection[Connection], start: int | None, stop: int | None
    ) -> Iterator[tuple[Connection, int, bytes]]:
        """Messages of these topics in the order of time, as (topic, time in ns, content).

        Raises:
            sqlite3.Error: the file is damaged.
        """
        known = {connection.id: connection for connection in connections}
        marks = ", ".join("?" * len(known))
        rows = self._database.execute(
            f"SELECT topic_id, timestamp, data FROM messages WHERE topic_id IN ({marks}) "
            "ORDER BY timestamp, id",
            tuple(known),
        )
        for number, time, data in rows:
            if not isinstance(data, bytes):
                raise sqlite3.DataError(f"a message on '{known[number].topic}' holds no bytes")
            yield known[number], time, data

    def close(self) -> None:
        """Close the file; what SQLite made beside it to read the log goes."""
        self._database.close()
        if self._made is not None:
            self._made.unlink(missing_ok=True)


def _log_of(path: Path) -> Path | None:
    """The log beside a database, unless it is empty."""
    logs = [path.with_name(path.name + end) for end in _LOGS]
    return next((log for log in logs if log.is_file() and log.stat().st_size), None)
