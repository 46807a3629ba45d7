# SPDX-License-Identifier: Apache-2.0
"""Normalization: a map of each value, whatever statistics it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from quantvla_ros.bundle.normalization import Normalization, ScaleRule

Array = NDArray[np.float64]


class Scaler(Protocol):
    """The way from values to what a network knows, and back."""

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Normalized values [n] or [K, n], K at most the rows there are, in their dtype."""
        ...

    def denormalize(self, normalized: NDArray[np.floating]) -> Array:
        """The way back, [rows, n] in float64."""
        ...


@dataclass(frozen=True)
class Scaling:
    """Values ``offset + scale * normalized``.

    Attributes:
        offset: value that becomes 0, float64 [n] or [rows, n].
        scale: difference that becomes 1, of the same shape and not zero.
        eps: added to `scale` on the way in alone, as LeRobot does.
    """

    offset: Array
    scale: Array
    eps: float = 0.0

    @classmethod
    def mean_std(cls, mean: ArrayLike, std: ArrayLike, eps: float = 0.0) -> Scaling:
        """Mean 0 and standard deviation 1."""
        return cls(np.asarray(mean, np.float64), np.asarray(std, np.float64), eps)

    @classmethod
    def range(cls, low: ArrayLike, high: ArrayLike) -> Scaling:
        """From `low` to `high`, be they quantiles or minimum and maximum, becomes -1 to 1."""
        bottom, top = np.asarray(low, np.float64), np.asarray(high, np.float64)
        return cls((bottom + top) / 2, (top - bottom) / 2)

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """See `Scaler`; in the values' own precision, as policies are trained."""
        offset, scale = _as(values, self.offset), _as(values, self.scale)
        out: NDArray[np.floating] = (values - offset) / (scale + values.dtype.type(self.eps))
        return out

    def denormalize(self, normalized: NDArray[np.floating]) -> Array:
        """See `Scaler`."""
        out: Array = normalized.astype(np.float64) * self.scale + self.offset
        return out


@dataclass(frozen=True)
class RangeScaling:
    """The range from `low` to `high` becomes -1 to 1; attributes as in `ScaleRule`."""

    low: Array
    high: Array
    eps: float
    eps_where: Literal["equal", "always", "zero"]
    clip: bool

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """See `Scaler`; in the values' own precision and order of operations as LeRobot's."""
        low, high = _as(values, self.low), _as(values, self.high)
        two, one = values.dtype.type(2), values.dtype.type(1)
        out: NDArray[np.floating] = two * (values - low) / self._range(low, high) - one
        if self.eps_where == "zero":
            out = np.where(low == high, values.dtype.type(0), out)
        return out.clip(-1, 1) if self.clip else out

    def denormalize(self, normalized: NDArray[np.floating]) -> Array:
        """See `Scaler`."""
        given: Array = normalized.astype(np.float64)
        given = given.clip(-1, 1) if self.clip else given
        out: Array = (given + 1) * self._range(self.low, self.high) / 2 + self.low
        return np.where(self.low == self.high, self.low, out) if self.eps_where == "zero" else out

    def _range(self, low: NDArray[np.floating], high: NDArray[np.floating]) -> NDArray[np.floating]:
        width, eps = high - low, low.dtype.type(self.eps)
        if self.eps_where == "always":
            return np.asarray(width + eps)
        # A range of nothing that becomes 0 anyhow is divided by one.
        return np.where(width == 0, low.dtype.type(1) if self.eps_where == "zero" else eps, width)


@dataclass(frozen=True)
class Unscaled:
    """Values stay as they are, cut to -1..1 if `clip`."""

    clip: bool

    def normalize(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """See `Scaler`."""
        return values.clip(-1, 1) if self.clip else values

    def denormalize(self, normalized: NDArray[np.floating]) -> Array:
        """See `Scaler`."""
        given: Array = normalized.astype(np.float64)
        return given.clip(-1, 1) if self.clip else given


def state_scaling(norm: Normalization) -> Scaler:
    """How a bundle's state [n] is normalized."""
    return _scaler(norm.state, norm.state_mean, norm.state_std)


def action_scaling(norm: Normalization) -> Scaler:
    """How a bundle's actions [horizon, n] are normalized."""
    return _scaler(norm.action, norm.action_mean, norm.action_std)


def _scaler(rule: ScaleRule | None, mean: ArrayLike, std: ArrayLike) -> Scaler:
    if rule is None:
        return Scaling.mean_std(mean, std)
    if rule.kind == "identity":
        return Unscaled(rule.clip)
    if rule.kind == "mean_std":
        return Scaling.mean_std(mean, std, rule.eps)
    low, high = np.asarray(rule.low, np.float64), np.asarray(rule.high, np.float64)
    return RangeScaling(low, high, rule.eps, rule.eps_where, rule.clip)


def _as(values: NDArray[np.floating], known: Array) -> NDArray[np.floating]:
    """Statistics in the values' precision, and of the first rows where values have fewer."""
    rows = known if known.ndim == 1 else known[: len(values)]
    out: NDArray[np.floating] = rows.astype(values.dtype)
    return out
