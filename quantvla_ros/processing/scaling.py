# SPDX-License-Identifier: Apache-2.0
"""Normalization: an affine map of each value, whatever statistics it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Scaling:
    """Values ``offset + scale * normalized``.

    Attributes:
        offset: value that becomes 0, float64 [n] or [rows, n].
        scale: difference that becomes 1, of the same shape and not zero.
    """

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def mean_std(cls, mean: ArrayLike, std: ArrayLike) -> Scaling:
        """Mean 0 and standard deviation 1."""
        return cls(np.asarray(mean, np.float64), np.asarray(std, np.float64))

    @classmethod
    def range(cls, low: ArrayLike, high: ArrayLike) -> Scaling:
        """From `low` to `high`, be they quantiles or minimum and maximum, becomes -1 to 1."""
        bottom, top = np.asarray(low, np.float64), np.asarray(high, np.float64)
        return cls((bottom + top) / 2, (top - bottom) / 2)

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Normalized values [n] or [K, n], K at most the rows there are, in their dtype."""
        if self.offset.ndim == 1:
            return self._normalized(values, self.offset, self.scale)
        rows = len(values)
        return self._normalized(values, self.offset[:rows], self.scale[:rows])

    @staticmethod
    def _normalized(
        values: NDArray[np.floating], offset: NDArray[np.float64], scale: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # In the values' own precision, as policies are trained.
        kind = values.dtype
        out: NDArray[np.float64] = (values - offset.astype(kind)) / scale.astype(kind)
        return out

    def denormalize(self, normalized: NDArray[np.floating]) -> NDArray[np.float64]:
        """The way back, [rows, n] in float64."""
        out: NDArray[np.float64] = normalized.astype(np.float64) * self.scale + self.offset
        return out
