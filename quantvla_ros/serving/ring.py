# SPDX-License-Identifier: Apache-2.0
"""The latest numbers of a long series, in memory that never grows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Ring:
    """Keeps the last `size` numbers; all its memory is taken at once."""

    def __init__(self, size: int) -> None:
        """Take the number of numbers to keep."""
        # Written, so that the system gives it now.
        self._kept: NDArray[np.float64] = np.full(size, np.nan)
        self._count = 0

    def append(self, value: float) -> None:
        """Add a number; a full ring drops its oldest."""
        self._kept[self._count % len(self._kept)] = value
        self._count += 1

    def values(self) -> NDArray[np.float64]:
        """A copy of the numbers, oldest first."""
        first = self._count % len(self._kept) if self._count > len(self._kept) else 0
        ordered: NDArray[np.float64] = np.concatenate([self._kept[first:], self._kept[:first]])
        return ordered[: self._count]
