# SPDX-License-Identifier: Apache-2.0
"""The rolling window: what is published at every tick, and how a controller reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.plan import Plan
from quantvla_ros.control.quintic import QuinticJoins, state_powers
from quantvla_ros.control.timeline import PathState


@dataclass(frozen=True)
class Window:
    """One trajectory message for a controller that forgets its old one.

    Its first points are due already and repeat what the windows before it said, so that the
    controller finds itself between two points whenever the message comes. A controller that has to
    go to a first point in the future begins at its own last command, which it notes one period off,
    and so makes a double step at each window.

    ``stamp`` is the time of the tick (s, ROS clock); ``times`` [K] are relative to it, strictly
    rising; positions, velocities, accelerations [K, n] in rad or m and their derivatives. The last
    row has zero velocity and zero acceleration. ``fresh`` is the first row that earlier windows may
    not have had, which counts from the next point on: up to its time all of them say the same.
    ``margin_s`` is the time in which it surely reaches the controller.
    """

    stamp: float
    times: FloatArray
    positions: FloatArray
    velocities: FloatArray
    accelerations: FloatArray
    fresh: int = 0
    margin_s: float = 0.0

    @property
    def start(self) -> float:
        """When the first point is due (s, ROS clock)."""
        return self.stamp + float(self.times[0])

    @property
    def begin(self) -> float:
        """When it departs from the windows before it (s, ROS clock)."""
        return self.stamp + float(self.times[self.fresh])

    @property
    def patience_s(self) -> float:
        """How long after its stamp it may be published: later it would come after it departs."""
        return float(self.times[self.fresh]) - self.margin_s

    @property
    def now(self) -> PathState:
        """Rows [1, n] of the tick itself, for receivers of values without a time."""
        return self.sample(max(self.stamp, self.start))

    def of(self, joints: Sequence[int]) -> Window:
        """The window of some of the joints."""
        rows = (self.positions, self.velocities, self.accelerations)
        position, velocity, acceleration = (row[:, joints] for row in rows)
        return replace(self, positions=position, velocities=velocity, accelerations=acceleration)

    def states(self, first: int = 0, end: int | None = None) -> FloatArray:
        """Rows ``first`` to ``end`` [K, 3, n]: positions, velocities, accelerations."""
        rows = (self.positions, self.velocities, self.accelerations)
        return np.stack([row[first:end] for row in rows], axis=1)

    def joins(self, first: int = 0, end: int | None = None) -> QuinticJoins:
        """How a controller interpolates the points: quintics between rows ``first`` to ``end``."""
        states = self.states(first, end)
        return QuinticJoins(states[:-1], states[1:], np.diff(self.times[first:end]))

    def sample(self, time: float) -> PathState:
        """What a JointTrajectoryController commands at ``time``: quintics, then hold; rows [1, n].

        Raises:
            ValueError: ``time`` is before the first point, where the controller's own state counts.
        """
        times = self.times
        at = time - self.stamp
        if at < times[0]:
            raise ValueError("the window has not begun at that time")
        if at >= times[-1]:
            last = (self.positions, self.velocities, self.accelerations)
            return PathState(*(rows[-1:] for rows in last))
        k = int(np.searchsorted(times, at, side="right")) - 1
        share = np.array([(at - times[k]) / (times[k + 1] - times[k])])
        return PathState(*self.joins(k, k + 2).at(state_powers(share)).swapaxes(0, 1))


class WindowShape(NamedTuple):
    """What all windows of a node have in common, s.

    Attributes:
        step_s: distance between points.
        at_least_s: shortest length of what is new, so that a holding arm gets a command.
        margin_s: see `Window`.
    """

    step_s: float
    at_least_s: float
    margin_s: float = 0.0


def build_window(
    committed: PathState, due: FloatArray, plan: Plan, now: float, first: float, shape: WindowShape
) -> Window:
    """Join points that are committed already and a plan, sampled until it is at rest.

    Args:
        committed: states [D, n] of n joints at the times ``due``.
        due: [D] times, s, one step apart and the last of them one before ``first``.
        plan: motion of the same joints that ends at rest.
        now: time of the tick, s.
        first: time from which on ``plan`` counts, s.
        shape: of the window.
    """
    length = max(plan.end - first, shape.at_least_s)
    new = first + shape.step_s * np.arange(math.ceil(length / shape.step_s + 1e-6) + 1.0)
    position, velocity, acceleration = (
        np.concatenate(rows) for rows in zip(committed, plan.sample(new), strict=True)
    )
    velocity[-1], acceleration[-1] = 0.0, 0.0
    times = np.concatenate([due, new]) - now
    return Window(now, times, position, velocity, acceleration, len(due), shape.margin_s)
