# SPDX-License-Identifier: Apache-2.0
"""Running success of each variant with its interval, while episodes are played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from calib_tools.common.progress import Bar
from calib_tools.evaluate.outcome import Outcome
from calib_tools.evaluate.statistics import Rate
from calib_tools.evaluate.store import Key

if TYPE_CHECKING:
    from typing_extensions import Self


class RunningSuccess(Bar):
    """A bar over all episodes of all variants."""

    def __init__(self, labels: Sequence[str], total: int, finished: Mapping[Key, Outcome]) -> None:
        """Begin with what is finished already."""
        super().__init__(f"{total} episodes", total)
        self._played = Counter(label for label, _ in finished)
        self._solved = Counter(key[0] for key, outcome in finished.items() if outcome.success)
        self._labels = list(labels)

    def __enter__(self) -> Self:
        """Show the bar."""
        super().__enter__()
        self._show()
        return self

    def add(self, label: str, outcome: Outcome) -> None:
        """Count one more."""
        self._played[label] += 1
        self._solved[label] += outcome.success
        self._show()

    def _show(self) -> None:
        self.show(self._played.total(), self.text)

    @property
    def text(self) -> str:
        """Such as "float 95.0 % (88.8 to 97.8) of 100; int8 ..."."""
        parts = []
        for label in self._labels:
            rate = Rate(self._solved[label], self._played[label])
            if rate.count:
                low, high = rate.interval
                parts.append(
                    f"{label} {100 * rate.value:.1f} % ({100 * low:.1f} to {100 * high:.1f}) "
                    f"of {rate.count}"
                )
        return "; ".join(parts)
