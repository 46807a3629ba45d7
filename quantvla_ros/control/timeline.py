# SPDX-License-Identifier: Apache-2.0
"""Paths over time: a point held, and a chunk of points joined by a C2 spline."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from quantvla_ros.control.limits import FloatArray


class PathState(NamedTuple):
    """Position, velocity and acceleration, each [K, n], in joint units and s."""

    position: FloatArray
    velocity: FloatArray
    acceleration: FloatArray


class Path(Protocol):
    """A twice continuously differentiable wish over time (s, ROS clock); limits are not its job."""

    @property
    def end(self) -> float:
        """Time after which the path only holds its last point."""

    def sample(self, times: FloatArray) -> PathState:
        """State of the path at ``times`` [K]."""

    def pruned(self, now: float) -> Path:
        """The same path for all times from ``now`` on, without parts that are over."""


class Hold:
    """Stand still at one point [n] for ever."""

    def __init__(self, position: FloatArray) -> None:
        """Take the point [n]."""
        self._position = np.array(position, dtype=np.float64)

    @property
    def end(self) -> float:
        """Minus infinity: nothing of it moves."""
        return -math.inf

    def sample(self, times: FloatArray) -> PathState:
        """The point, at rest."""
        position = np.tile(self._position, (len(times), 1))
        zero = np.zeros_like(position)
        return PathState(position, zero, zero)

    def pruned(self, now: float) -> Hold:
        """Itself."""
        return self


class ChunkTimeline:
    """A chunk of absolute points [H, n]; row k is due at ``stamp + (k + 1) * dt``.

    Rows due before the interval that ``not_before`` lies in are thrown away unseen: they are the
    past. Between rows runs a cubic spline (C2); before the first row the path goes straight with
    that row's velocity; the spline ends with zero velocity and the last row is held after it.

    Raises:
        ValueError: every row is due before ``not_before``, so nothing of the chunk is left.
    """

    def __init__(self, points: FloatArray, stamp: float, dt: float, not_before: float) -> None:
        """Take the rows and fit the spline to those still needed."""
        rows = len(points)
        if stamp + rows * dt <= not_before:
            raise ValueError("the whole chunk is due in the past")
        first = min(max(math.floor((not_before - stamp) / dt) - 1, 0), rows - 1)
        kept = np.array(points[first:], dtype=np.float64)
        self._start = stamp + (first + 1) * dt
        self._dt = dt
        self._last = len(kept) - 1
        self._cubics, self._begins = _pieces(kept, _spline_slopes(kept, dt), dt)

    @property
    def end(self) -> float:
        """When the last row is due."""
        return self._start + self._last * self._dt

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        elapsed = times - self._start
        piece = np.maximum(np.floor(elapsed / self._dt) + 1, 0.0)
        index = np.minimum(piece, self._last + 1).astype(np.intp)
        c0, c1, c2, c3 = self._cubics[:, index]
        u = (elapsed - self._begins[index])[:, None]
        position = c0 + u * (c1 + u * (c2 + u * c3))
        return PathState(position, c1 + u * (2 * c2 + u * (3 * c3)), 2 * c2 + u * (6 * c3))

    def pruned(self, now: float) -> ChunkTimeline:
        """Itself."""
        return self


def _pieces(points: FloatArray, slopes: FloatArray, dt: float) -> tuple[FloatArray, FloatArray]:
    """Cubics [4, H + 1, n] before, between and after the rows, and where their times begin."""
    rows = len(points)
    cubics = np.zeros((4, rows + 1, points.shape[1]))
    cubics[0, 0], cubics[1, 0] = points[0], slopes[0]
    cubics[0, 1:] = points
    step, m0, m1 = np.diff(points, axis=0), slopes[:-1] * dt, slopes[1:] * dt
    cubics[1, 1:-1] = slopes[:-1]
    cubics[2, 1:-1] = (3 * step - 2 * m0 - m1) / dt**2
    cubics[3, 1:-1] = (m0 + m1 - 2 * step) / dt**3
    return cubics, dt * np.array([0.0, *range(rows)])


def _spline_slopes(points: FloatArray, dt: float) -> FloatArray:
    """First derivatives at the knots of the C2 cubic spline: no curvature first, at rest last."""
    rows = len(points)
    if rows == 1:
        return np.zeros_like(points)
    matrix = np.zeros((rows, rows))
    right = np.zeros_like(points)
    matrix[0, :2] = 2.0, 1.0
    right[0] = 3 * (points[1] - points[0]) / dt
    for k in range(1, rows - 1):
        matrix[k, k - 1 : k + 2] = 1.0, 4.0, 1.0
        right[k] = 3 * (points[k + 1] - points[k - 1]) / dt
    matrix[-1, -1] = 1.0
    slopes: FloatArray = np.linalg.solve(matrix, right).astype(np.float64)
    return slopes
