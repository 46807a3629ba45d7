# SPDX-License-Identifier: Apache-2.0
"""Progress of collecting a buffer."""

from __future__ import annotations

from types import TracebackType

from calib_tools.buffer.collector import Collector
from calib_tools.common.progress import Bar


class CollectorProgress:
    """Different groups so far, and what was not used, while a buffer is collected."""

    def __init__(self, collector: Collector, total: int, unit: str = "different groups") -> None:
        """Watch a collector; `total` is in `unit`."""
        self._collector, self._total, self._unit = collector, total, unit
        self._bar = Bar(f"collecting ({total} {unit})", total)

    def __enter__(self) -> CollectorProgress:
        """Show the bar."""
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        self._bar.__exit__(kind, error, traceback)

    def update(self, done: int | None = None) -> None:
        """Show the state; `done` is the number of different groups unless given."""
        collector = self._collector
        rejected = collector.synchroniser.rejected
        parts = [f"{collector.candidates} different", f"{collector.near_duplicates} near-duplicate"]
        parts += [f"{number} {reason}" for reason, number in rejected.most_common(3)]
        self._bar.show(collector.candidates if done is None else done, ", ".join(parts))

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.note(text)
