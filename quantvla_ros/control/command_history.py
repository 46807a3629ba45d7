# SPDX-License-Identifier: Apache-2.0
"""Plans that were committed, and the prefix of them that the next chunk continues."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np

from quantvla_ros.control.knots import SAME_S
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.plan import Plan
from quantvla_ros.control.timeline import Path

HISTORY_S = 2.0
"""Commands are remembered this long; no observation is older."""


class CommittedRows(NamedTuple):
    """First rows of the next chunk: points [K, n], the first ``committed`` of which are fixed."""

    points: FloatArray
    committed: int


class CommandedMotion:
    """The plans that were committed, each until the next one took over; times in s."""

    def __init__(self, limits: JointLimits, window_s: float) -> None:
        """Take the limits, and how long each plan follows its path before its stop begins."""
        self._limits = limits
        self._window_s = window_s
        self._plans: list[Plan] = []
        self._starts: list[float] = []

    def begin(self) -> None:
        """Forget the motion before."""
        self._plans.clear()
        self._starts.clear()

    def note(self, plan: Plan) -> None:
        """Add a plan; it counts from its start on."""
        self._plans.append(plan)
        self._starts.append(plan.start)
        # Twice the time, so that the lists are seldom moved.
        if plan.start - self._starts[0] > 2 * HISTORY_S:
            old = bisect_right(self._starts, plan.start - HISTORY_S)
            del self._plans[:old], self._starts[:old]

    def forget_last(self) -> None:
        """Drop the plan noted last, which was not published."""
        del self._plans[-1:], self._starts[-1:]

    def at(self, time: float) -> FloatArray | None:
        """Commanded position [n] at ``time``; None before the motion began."""
        index = bisect_right(self._starts, time) - 1
        if index < 0:
            return None
        position: FloatArray = self._plans[index].sample(np.array([time])).position[0]
        return position

    def rows(self, path: Path, times: FloatArray, taken_over: float) -> CommittedRows | None:
        """Positions at ``times``: those commanded or committed, then those asked for.

        Args:
            path: what is asked for after what is committed already.
            times: [K], rising, at which the rows of the next chunk are due.
            taken_over: when the next chunk takes over; rows until then are fixed.

        Returns:
            None if the arm was not commanded yet when the first row is due, or with no row.
        """
        if not len(times) or not self._plans or times[0] < self._starts[0]:
            return None
        points = np.clip(path.sample(times).position, self._limits.lower, self._limits.upper)
        follows = self._starts[-1] + self._window_s
        for row in np.flatnonzero(times <= follows).tolist():
            points[row] = self.at(float(times[row]))
        return CommittedRows(points, int((times <= taken_over + SAME_S).sum()))
