# SPDX-License-Identifier: Apache-2.0
"""Progress of collecting a buffer."""

from __future__ import annotations

from calib_tools.buffer.collector import Collector
from calib_tools.common.progress import Bar


class CollectorProgress(Bar):
    """Different groups so far, and what was not used, while a buffer is collected."""

    def __init__(self, collector: Collector, total: int, unit: str = "different groups") -> None:
        """Watch a collector; `total` is in `unit`."""
        super().__init__(f"collecting ({total} {unit})", total)
        self._collector = collector

    def update(self, done: int | None = None) -> None:
        """Show the state; `done` is the number of different groups unless given."""
        collector = self._collector
        rejected = collector.synchroniser.rejected
        parts = [f"{collector.candidates} different", f"{collector.near_duplicates} near-duplicate"]
        parts += [f"{number} {reason}" for reason, number in rejected.most_common(3)]
        self.show(collector.candidates if done is None else done, ", ".join(parts))
