# SPDX-License-Identifier: Apache-2.0
"""The one continuous reference of the arm: it pursues a path, and never leaves the limits.

At every tick a whole new motion is planned from the committed state: a minimum-jerk join that
meets the path as early as the limits of all joints of an arm allow, then a stop. It is committed,
joint by joint, only if all of it, the stop included, keeps the limits. If not, a time-optimal
pursuit is tried, then braking; and if all fails, the rest of the motion committed before is kept,
which passed the same test. So by induction a motion that ends at rest within limits is always at
hand, whatever the path asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.braking import Braking, Rates, surely_within
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.plan import Piece, Plan, Track, cut_track
from quantvla_ros.control.profiles import (
    Bounds,
    reach_track,
    stoppable_velocity,
    track_is_within,
)
from quantvla_ros.control.quintic import QuinticJoins, state_powers
from quantvla_ros.control.timeline import Path, PathState

PLANNED_SHARE = 0.98
"""Share of each limit that plans aim for.

What is left absorbs what the check of a join does not see, and stops begun while accelerating.
"""
MOST_JERK_OF_QUINTICS = 2.18
"""A controller goes from point to point on quintics. Their jerk is the best fit (in the mean of the
squares) of parabolas to the planned jerk. It is the planned jerk where that has no step between two
points, and up to so many times its largest value where it has: of [-1, 1] the integral of
abs(15/4 s^2 + 3/2 s - 3/4). Joins step at points only; brakings and the ways of Ruckig anywhere.
"""

_ROUNDING = 5e-10
"""Positions may be outside their limits by so much, and rates are inside by this share."""
_LATER_JOINS = (1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0)
"""Close enough that a slow joint does not hold the others back for longer than it must."""


class Tracker:
    """Committed motion of n joints; all times in s of the ROS clock.

    Attributes:
        plan: the committed motion.
        clamped: [n] how often the path left the position limits and was clamped.
        excess: [n] how far outside the limits the path lay the last time, rad or m.
        limited: [n] how often no join to the path kept the limits, so that the path was not met.
    """

    def __init__(
        self,
        limits: JointLimits,
        lookahead_s: float,
        window_s: float,
        position: FloatArray,
        speeds: NDArray[np.bool_] | None = None,
        together: NDArray[np.intp] | None = None,
    ) -> None:
        """Begin at rest.

        Args:
            limits: of n joints.
            lookahead_s: earliest time to join a path, a multiple of the distance of points.
            window_s: longer time that a plan follows it before its stop begins; likewise.
            position: where the joints are [n].
            speeds: see `MotionController`.
            together: likewise.
        """
        self._speeds = np.zeros(len(limits.names), np.bool_) if speeds is None else speeds
        self._limits = limits
        self._lookahead_s = lookahead_s
        self._window_s = window_s
        rates = Rates(limits.velocity, limits.acceleration, limits.jerk)
        self._rates = rates.scaled(1 - _ROUNDING)
        self._planned = rates.scaled(PLANNED_SHARE)
        self._planned_rows = np.stack(
            [self._planned.velocity, self._planned.acceleration, self._planned.jerk]
        )
        self._stepped = replace(self._planned, jerk=self._planned.jerk / MOST_JERK_OF_QUINTICS)
        # Meet the path at each of these; the last join leads on from the first to the second.
        meet = [lookahead_s, window_s, *(factor * window_s for factor in _LATER_JOINS)]
        self._meet = np.array(meet)
        self._durations = np.array([*meet, window_s - lookahead_s])
        # The stop begins at window_s; the last join stands there for the first one.
        cut = np.array([lookahead_s, *[window_s] * (len(meet) - 1), window_s - lookahead_s])
        self._cut = state_powers(cut / self._durations)
        count = len(limits.names)
        self._columns = np.arange(count)
        numbers = np.zeros(count, np.intp) if together is None else together
        self._groups = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
        self.plan = Plan.resting(position, 0.0)
        self.clamped = np.zeros(count, dtype=np.int64)
        self.excess = np.zeros(count)
        self.limited = np.zeros(count, dtype=np.int64)

    def start_at(self, position: FloatArray, time: float) -> None:
        """Begin a new reference at rest at ``position`` [n]."""
        self.plan = Plan.resting(position, time)

    def pursue(self, path: Path, time: float) -> None:
        """Plan from the state committed for ``time`` towards ``path``, and commit."""
        state = self._state(time)
        lower, upper = self._range(state)
        goals = self._goals(path.sample(time + self._meet))
        joins = QuinticJoins(
            np.stack([*[state] * len(goals), goals[0]]),
            np.concatenate([goals, goals[1:2]]),
            self._durations,
        )
        fits = joins.within(lower, upper, self._planned_rows)
        fits[0] &= fits[-1]
        chosen = self._earliest(fits[:-1])
        at_cut = joins.at(self._cut)
        at_cut[0] = at_cut[-1]
        cut = at_cut[chosen, :, self._columns].T
        stop = Braking(cut, self._stepped)
        safe = fits[chosen, self._columns]
        sure = surely_within(cut, lower, upper, self._stepped, self._rates)
        hard: dict[int, Track] = {}
        for joint in np.flatnonzero(~(safe & sure)).tolist():
            if not (safe[joint] and self._keeps(stop.track(joint), joint, lower, upper)):
                self.limited[joint] += 1
                hard[joint] = self._hardest(state, goals[-1], joint, time)
        self.plan = self._joined(time, joins.coefficients(), chosen, stop)
        if hard:
            self.plan = self.plan.replaced(hard, state[0])

    def _earliest(self, fits: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The join [n] that each axis takes of those that fit [K, n]: the first one.

        Axes that move together take the first that all of them can, where there is one. Else a
        slow joint would meet the path after the others, and the tip would leave its way meanwhile:
        5 to 20 mm, which is more than a hand is above the table when it pushes something.
        """
        chosen: NDArray[np.intp] = fits.argmax(axis=0)
        for group in self._groups:
            common = fits[:, group].all(axis=1)
            if common.any():
                chosen[group] = common.argmax()
        return chosen

    def stop(self, paths: Iterable[Path], time: float) -> None:
        """Commit a motion to rest: along the first of the paths that all joints can follow.

        Each path must come to rest at its ``end``. If none can be followed, every joint brakes as
        fast as its limits allow: what stands already is at rest at once. A speed that cannot fall
        to zero at once brakes first, so that it is not zero at the end: see ``stands``.
        """
        state = self._state(time)
        for path in paths:
            tracks = self._along(path, state, time)
            if tracks is not None:
                break
        else:
            tracks = {j: self._ended(state, j, time) for j in range(len(self._columns))}
        self.plan = Plan.resting(state[0], time).replaced(tracks, state[0])

    def stands(self, time: float) -> bool:
        """Whether nothing moves at ``time``; speeds must be zero."""
        position, *rates = self._state(time)
        return not (np.any(rates) or (np.abs(position[self._speeds]) > _ROUNDING).any())

    def _state(self, time: float) -> FloatArray:
        """Committed position, velocity and acceleration [3, n] at ``time``."""
        return np.concatenate(self.plan.sample(np.array([time])))

    def _range(self, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Allowed positions: the limits, or where the joint is now if it began outside them."""
        lower = np.minimum(self._limits.lower, state[0]) - _ROUNDING
        return lower, np.maximum(self._limits.upper, state[0]) + _ROUNDING

    def _goals(self, wish: PathState) -> FloatArray:
        """States [K, 3, n] to aim for: rest at the limit where the path leaves the positions."""
        position = np.clip(wish.position, self._limits.lower, self._limits.upper)
        excess = np.abs(position - wish.position)
        outside = excess > _ROUNDING
        self.clamped += outside[0]
        self.excess = excess[0]
        goals = np.stack([position, wish.velocity, wish.acceleration], axis=1)
        goals[:, 1:][np.stack([outside, outside], axis=1)] = 0.0
        return goals

    def _joined(
        self, time: float, joins: FloatArray, chosen: NDArray[np.intp], stop: Braking
    ) -> Plan:
        """The motion of chosen joins, cut where the stop begins."""
        count = len(self._columns)
        breaks = np.zeros((count, 6))
        coefficients = np.zeros((count, 6, 6))
        first = chosen == 0
        coefficients[:, 0] = joins[0]
        coefficients[:, 1] = np.where(first[:, None], joins[-1], joins[chosen, self._columns])
        coefficients[:, 2:5] = stop.coefficients
        coefficients[:, 5, 0] = stop.rest
        # A joint that meets the path later has a first piece of no length.
        breaks[:, 1] = np.where(first, self._lookahead_s, 0.0)
        breaks[:, 2] = self._window_s
        breaks[:, 3:] = self._window_s + np.cumsum(stop.durations, axis=1)
        return Plan(time, breaks, coefficients)

    def _bounds(self, joint: int, lower: FloatArray, upper: FloatArray, rates: Rates) -> Bounds:
        """One joint's limits."""
        columns = (lower, upper, rates.velocity, rates.acceleration, rates.jerk)
        return Bounds(*(float(column[joint]) for column in columns))

    def _keeps(self, track: Track, joint: int, lower: FloatArray, upper: FloatArray) -> bool:
        """Whether a track of cubics keeps the joint's limits."""
        return track_is_within(track, self._bounds(joint, lower, upper, self._rates))

    def _hardest(self, state: FloatArray, goal: FloatArray, joint: int, time: float) -> Track:
        """What the limits allow of the way to ``goal``; braking if that cannot be done safely."""
        lower, upper = self._range(state)
        bounds = self._bounds(joint, lower, upper, self._stepped)
        position, velocity = float(goal[0, joint]), float(goal[1, joint])
        room = bounds.upper - position if velocity > 0 else position - bounds.lower
        most = stoppable_velocity(room, bounds)
        velocity = min(max(velocity, -most), most)
        p, v, a = (float(row) for row in state[:, joint])
        track = reach_track((p, v, a), position, velocity, bounds, float(self._meet[-1]))
        if track:
            track = cut_track(track, self._window_s)
            track += self._brake(np.array(track[-1].end()), joint)
            if self._keeps(track, joint, lower, upper):
                return track
        return self._braked(state, joint, time)

    def _brake(self, state: FloatArray, joint: int) -> Track:
        """The fastest stop of one joint from its state [3]."""
        rates = (self._stepped.velocity, self._stepped.acceleration, self._stepped.jerk)
        one = Rates(*(rate[joint : joint + 1] for rate in rates))
        return Braking(state[:, None], one).track(0)

    def _ended(self, state: FloatArray, joint: int, time: float) -> Track:
        """The quickest way of one joint to rest, of a speed to zero."""
        if self._speeds[joint]:
            bounds = self._bounds(joint, *self._range(state), self._stepped)
            p, v, a = (float(row) for row in state[:, joint])
            track = reach_track((p, v, a), 0.0, 0.0, bounds, 0.0)
            if track is not None and self._keeps(track, joint, *self._range(state)):
                return track
        return self._braked(state, joint, time)

    def _braked(self, state: FloatArray, joint: int, time: float) -> Track:
        """Braking at once if that keeps the limits, else the motion committed before."""
        track = self._brake(state[:, joint], joint)
        if not self._keeps(track, joint, *self._range(state)):
            track = self.plan.remainder(joint, time)
        return track

    def _along(self, path: Path, state: FloatArray, time: float) -> dict[int, Track] | None:
        """Tracks that follow a path to its end, or None if a joint cannot."""
        step = self._lookahead_s
        count = max(int(np.ceil((path.end - time) / step - 1e-6)), 1)
        goals = self._goals(path.sample(time + step * np.arange(1.0, count + 1)))
        starts = np.concatenate([state[None], goals[:-1]])
        joins = QuinticJoins(starts, goals, np.full(count, step))
        if not joins.within(*self._range(state), self._planned_rows).all():
            return None
        polynomials = joins.coefficients()
        return {
            int(joint): [Piece(step, tuple(polynomials[k, joint].tolist())) for k in range(count)]
            for joint in self._columns
        }
