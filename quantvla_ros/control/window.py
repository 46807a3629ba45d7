# SPDX-License-Identifier: Apache-2.0
"""The rolling window: what is published at every tick, and how a controller reads it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.plan import Plan
from quantvla_ros.control.quintic import QuinticJoins, state_powers
from quantvla_ros.control.timeline import PathState


@dataclass(frozen=True)
class Window:
    """One trajectory message for a controller that forgets its old one.

    ``stamp`` is the time of the tick (s, ROS clock); ``times_from_start`` [K] are relative to it,
    strictly rising; positions, velocities, accelerations [K, n] in rad or m and their derivatives.
    The last row has zero velocity and zero acceleration.
    """

    stamp: float
    times_from_start: FloatArray
    positions: FloatArray
    velocities: FloatArray
    accelerations: FloatArray

    @property
    def begin(self) -> float:
        """When the first point is due (s, ROS clock)."""
        return self.stamp + float(self.times_from_start[0])

    def of(self, joints: Sequence[int]) -> Window:
        """The window of some of the joints."""
        columns = (self.positions, self.velocities, self.accelerations)
        return Window(self.stamp, self.times_from_start, *(c[:, joints] for c in columns))

    def sample(self, time: float) -> PathState:
        """What a JointTrajectoryController commands at ``time``: quintics, then hold; rows [1, n].

        Raises:
            ValueError: ``time`` is before the first point, where the controller's own state counts.
        """
        times = self.times_from_start
        at = time - self.stamp
        if at < times[0]:
            raise ValueError("the window has not begun at that time")
        states = np.stack([self.positions, self.velocities, self.accelerations], axis=1)
        if at >= times[-1]:
            return PathState(*states[-1:].swapaxes(0, 1))
        k = int(np.searchsorted(times, at, side="right")) - 1
        duration = np.diff(times[k : k + 2])
        join = QuinticJoins(states[k : k + 1], states[k + 1 : k + 2], duration)
        return PathState(*join.at(state_powers((at - times[k]) / duration)).swapaxes(0, 1))


def build_window(
    plan: Plan, now: float, first: float, period_s: float, at_least_s: float
) -> Window:
    """Sample a committed plan every ``period_s`` from ``first`` until it is at rest.

    Args:
        plan: motion of n joints that ends at rest.
        now: time of the tick, s.
        first: time of the first point, s, after ``now``.
        period_s: distance between points.
        at_least_s: shortest length, so that an arm that holds is still told to.
    """
    length = max(plan.end - first, at_least_s)
    count = math.ceil(length / period_s + 1e-6) + 1
    times = first - now + period_s * np.arange(float(count))
    position, velocity, acceleration = plan.sample(first + period_s * np.arange(float(count)))
    velocity[-1], acceleration[-1] = 0.0, 0.0
    return Window(now, times, position, velocity, acceleration)
