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
        self._points = np.array(points[first:], dtype=np.float64)
        self._start = stamp + (first + 1) * dt
        self._dt = dt
        self._slopes = _spline_slopes(self._points, dt)

    @property
    def end(self) -> float:
        """When the last row is due."""
        return self._start + (len(self._points) - 1) * self._dt

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        points, slopes, dt = self._points, self._slopes, self._dt
        elapsed = times - self._start
        if len(points) == 1:
            return Hold(points[0]).sample(times)
        row = np.clip(np.floor(elapsed / dt).astype(np.intp), 0, len(points) - 2)
        u = (elapsed / dt - row)[:, None]
        p0, p1 = points[row], points[row + 1]
        m0, m1 = slopes[row] * dt, slopes[row + 1] * dt
        c2 = 3 * (p1 - p0) - 2 * m0 - m1
        c3 = 2 * (p0 - p1) + m0 + m1
        position = p0 + u * (m0 + u * (c2 + u * c3))
        velocity = (m0 + u * (2 * c2 + 3 * u * c3)) / dt
        acceleration = (2 * c2 + 6 * u * c3) / dt**2
        before, after = elapsed < 0, elapsed >= dt * (len(points) - 1)
        if before.any():
            position[before] = points[0] + slopes[0] * elapsed[before, None]
            velocity[before], acceleration[before] = slopes[0], 0.0
        if after.any():
            position[after], velocity[after], acceleration[after] = points[-1], 0.0, 0.0
        return PathState(position, velocity, acceleration)

    def pruned(self, now: float) -> ChunkTimeline:
        """Itself."""
        return self


class Shifted:
    """``path`` moved by [n]."""

    def __init__(self, path: Path, by: FloatArray) -> None:
        """Take the path and how far to move it (rad or m)."""
        self._path = path
        self._by = by

    @property
    def end(self) -> float:
        """As that of the path."""
        return self._path.end

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        position, velocity, acceleration = self._path.sample(times)
        return PathState(position + self._by, velocity, acceleration)

    def pruned(self, now: float) -> Shifted:
        """What is left of the path, moved."""
        return Shifted(self._path.pruned(now), self._by)


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
