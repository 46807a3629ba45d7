# SPDX-License-Identifier: Apache-2.0
"""The times at which windows have points: whole steps from where a motion began.

A trajectory controller goes from point to point on quintics of its own. Only where a new window has
its points at the same times as the one before does it make the same of what both of them hold.
"""

from __future__ import annotations

import math

import numpy as np

from quantvla_ros.control.limits import FloatArray

_QUANTUM = 2.0**-22
"""Of times, s. Doubles of today's dates are this far apart, so that sums of such times are exact: a
point that is 0.2 us off is enough to double a jerk."""
SAME_S = 1e-6
"""Times (s) that are closer are the same: doubles of today's dates are 0.24 us apart."""


class KnotGrid:
    """Times (s, ROS clock) that are whole steps from an origin."""

    def __init__(self, step_s: float) -> None:
        """Take the distance of points."""
        self.step_s = _exact(step_s)
        self.origin = 0.0

    def begin(self, time: float) -> None:
        """Let ``time`` be a knot, and all others follow from it."""
        self.origin = _exact(time)

    def at_or_after(self, time: float) -> float:
        """The first knot that is not before ``time``."""
        steps = math.ceil((time - self.origin - SAME_S) / self.step_s)
        return self.origin + steps * self.step_s

    def between(self, first: float, end: float) -> FloatArray:
        """The knots from the knot ``first`` on, without the knot ``end``: [K]."""
        return first + self.step_s * np.arange(float(round((end - first) / self.step_s)))

    def whole(self, seconds: float) -> float:
        """The multiple of the step, at least one, that is nearest to a span."""
        return max(1, round(seconds / self.step_s)) * self.step_s


def _exact(seconds: float) -> float:
    return round(seconds / _QUANTUM) * _QUANTUM
