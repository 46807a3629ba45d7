# SPDX-License-Identifier: Apache-2.0
"""Things found by name: the bundled ones, and those that other packages add as entry points.

Nothing is imported before it is asked for by its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from quantvla_ros.errors import QuantVLAError

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """One kind of things.

    Attributes:
        kind: what they are, for sentences.
        group: of the entry points by which other packages add theirs.
        bundled: ``module:attribute`` by name.
    """

    kind: str
    group: str
    bundled: dict[str, str]

    def _entries(self) -> dict[str, EntryPoint]:
        others = {entry.name: entry for entry in entry_points(group=self.group)}
        ours = {name: EntryPoint(name, at, self.group) for name, at in self.bundled.items()}
        return others | ours

    def names(self) -> list[str]:
        """All names that are known here, the bundled ones included."""
        return sorted(self._entries())

    def find(self, name: str) -> T:
        """Import the thing of this name.

        Raises:
            QuantVLAError: there is none, or it cannot be imported.
        """
        entry = self._entries().get(name)
        if entry is None:
            raise QuantVLAError(
                f"unknown {self.kind} '{name}'; known here: {', '.join(self.names())}; another "
                f"package adds its own by an entry point of the group '{self.group}'"
            )
        try:
            found: T = entry.load()
        except (ImportError, AttributeError) as error:
            raise QuantVLAError(
                f"the {self.kind} '{name}' cannot be loaded from '{entry.value}': {error}"
            ) from error
        return found
