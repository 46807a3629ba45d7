# SPDX-License-Identifier: Apache-2.0
"""Equivalent angles of continuous joints: a whole turn more or less is the same posture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

TURN = 2.0 * np.pi


def nearest_turn(angles: FloatArray, to: FloatArray, continuous: BoolArray) -> FloatArray:
    """Equivalents of ``angles`` [..., n] within half a turn of ``to`` [..., n], rad.

    ``continuous`` [n] marks the joints that have equivalents; the others are returned as they are.
    """
    if not continuous.any():
        return angles
    turns = np.round((angles - to) / TURN)
    return np.where(continuous, angles - TURN * turns, angles)


def unwrapped(points: FloatArray, start: FloatArray, continuous: BoolArray) -> FloatArray:
    """Equivalents of a path: the first point near ``start``, each other one near the one before.

    Args:
        points: [H, n], rad where continuous.
        start: [n].
        continuous: [n], see `nearest_turn`.
    """
    if not continuous.any():
        return points
    steps = np.diff(points, axis=0, prepend=start[None])
    turns = np.cumsum(np.round(steps / TURN), axis=0)
    return np.where(continuous, points - TURN * turns, points)
