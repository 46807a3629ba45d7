# SPDX-License-Identifier: Apache-2.0
"""Minimum-jerk joins between states of n joints, and their check against limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.limits import FloatArray

_INSTANTS = 33


def _powers(u: FloatArray, orders: int) -> FloatArray:
    """Value and first derivatives of the powers 0..5 of ``u`` [K]: [6, orders, K]."""
    table = np.zeros((6, orders, len(u)))
    for power in range(6):
        factor = 1.0
        for order in range(min(power, orders - 1) + 1):
            table[power, order] = factor * u ** (power - order)
            factor *= power - order
    return table


def state_powers(u: FloatArray) -> FloatArray:
    """What :meth:`QuinticJoins.at` needs for each join's instant ``u`` [C] in 0..1: [C, 3, 6]."""
    powers: FloatArray = _powers(u, 3).transpose(2, 1, 0)
    return powers


# At these Chebyshev instants a polynomial of degree d is seen up to the factor 1 / cos(pi d / 64)
# (Ehlich and Zeller 1964): velocities 1.019, positions 1.031 about the middle of their span.
_CHECKED = _powers((1 - np.cos(np.pi * np.arange(_INSTANTS) / (_INSTANTS - 1))) / 2, 4).reshape(
    6, -1
)
UNSEEN_RATE = 1 / np.cos(np.pi * 4 / 64)
"""How far above the largest value that was looked at a velocity, acceleration or jerk may be."""
_UNSEEN_SPAN = (1 / np.cos(np.pi * 5 / 64) - 1) / 2


class QuinticJoins:
    """C x n quintics, each from one state to another (Flash and Hogan 1985).

    Args:
        start: position, velocity, acceleration [C, 3, n].
        goal: the same at the other end.
        duration: s [C].
    """

    def __init__(self, start: FloatArray, goal: FloatArray, duration: FloatArray) -> None:
        """Solve for the coefficients."""
        t = duration[:, None]
        p0, v0, a0 = start[:, 0], start[:, 1] * t, start[:, 2] * (t * t / 2)
        d = goal[:, 0] - (p0 + v0 + a0)
        dv = goal[:, 1] * t - v0 - 2 * a0
        da = goal[:, 2] * (t * t / 2) - a0
        # In u = time / duration, so that one table of powers serves every duration.
        self._unit = np.stack(
            [p0, v0, a0, 10 * d - 4 * dv + da, -15 * d + 7 * dv - 2 * da, 6 * d - 3 * dv + da],
            axis=-1,
        )
        self._duration = duration
        self._scale = duration[:, None] ** -np.arange(6.0)

    def within(self, lower: FloatArray, upper: FloatArray, rates: FloatArray) -> NDArray[np.bool_]:
        """Which joins [C, n] keep to positions [n] and to rates [3, n].

        ``rates`` are the largest velocity, acceleration and jerk; they are held up to the factor
        :data:`UNSEEN_RATE`, positions exactly.
        """
        highest, lowest = self._extremes()
        top, bottom = highest[:, :, 0], lowest[:, :, 0]
        fits: NDArray[np.bool_] = (bottom >= lower) & (top <= upper)
        largest = np.maximum(highest, -lowest)[:, :, 1:] * self._scale[:, None, 1:4]
        fits &= (largest <= rates.T).all(axis=2)
        unseen = _UNSEEN_SPAN * (top - bottom)
        join, joint = np.nonzero(fits & ((bottom - unseen < lower) | (top + unseen > upper)))
        if len(join):
            turns = _positions_at_turns(self._unit[join, joint])
            outside = (turns < lower[joint, None]) | (turns > upper[joint, None])
            fits[join, joint] = ~outside.any(axis=1)
        return fits

    def peaks(self) -> FloatArray:
        """Largest velocity, acceleration and jerk [C, n, 3], up to the factor `UNSEEN_RATE`."""
        highest, lowest = self._extremes()
        largest: FloatArray = np.maximum(highest, -lowest)[:, :, 1:] * self._scale[:, None, 1:4]
        return largest

    def _extremes(self) -> tuple[FloatArray, FloatArray]:
        """Highest and lowest values [C, n, 4] of all orders at the instants that are looked at."""
        count, joints, _ = self._unit.shape
        values = (self._unit @ _CHECKED).reshape(count, joints, 4, _INSTANTS)
        return values.max(axis=3), values.min(axis=3)

    def at(self, powers: FloatArray) -> FloatArray:
        """States [C, 3, n] of each join at the instant ``powers`` are of (:func:`state_powers`)."""
        states: FloatArray = powers * self._scale[:, :3, None] @ self._unit.swapaxes(1, 2)
        return states

    def coefficients(self) -> FloatArray:
        """Polynomials in s: [C, n, 6]."""
        return self._unit * self._scale[:, None, :]


_SHIFT = np.eye(4, k=-1)


def _positions_at_turns(polynomials: FloatArray) -> FloatArray:
    """Positions [M, 4] where the velocities of polynomials [M, 6] in 0..1 are zero, NaN for none.

    All roots at once: a tick asks for several, and numpy takes as long for one as for all.
    """
    velocities = (polynomials[:, 1:] * np.arange(1, 6))[:, ::-1]
    found = np.full((len(polynomials), 4), np.nan)
    whole = (velocities[:, 0] != 0) & (velocities[:, -1] != 0)
    companions = np.tile(_SHIFT, (int(whole.sum()), 1, 1))
    companions[:, 0] = -velocities[whole, 1:] / velocities[whole, :1]
    roots = np.linalg.eigvals(companions)
    found[whole] = _turns(roots)
    for row in np.flatnonzero(~whole).tolist():  # of a lower degree, or at rest in the beginning
        turns = _turns(np.roots(velocities[row]))
        found[row, : len(turns)] = turns
    positions: FloatArray = np.polynomial.polynomial.polyval(found.T, polynomials.T, tensor=False).T
    return positions


def _turns(roots: NDArray[np.inexact[Any]]) -> FloatArray:
    """Those of the roots that are real and within 0..1; NaN for the others."""
    real = (np.abs(roots.imag) < 1e-6) & (roots.real > 0) & (roots.real < 1)
    return np.where(real, roots.real, np.nan)
