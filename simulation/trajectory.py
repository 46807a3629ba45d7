# SPDX-License-Identifier: Apache-2.0
"""A trajectory as it is sent to a controller, when one is refused, and the way between points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulation.controller_release import ControllerRelease

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TrajectoryPoint:
    """One point of a trajectory; an empty sequence means "not given".

    Attributes:
        time_from_start: s after the trajectory's start.
        positions: one value per joint of the trajectory, rad or m.
        velocities: rad/s or m/s.
        accelerations: rad/s^2 or m/s^2.
        effort: N m or N.
    """

    time_from_start: float
    positions: Sequence[float] = ()
    velocities: Sequence[float] = ()
    accelerations: Sequence[float] = ()
    effort: Sequence[float] = ()


@dataclass(frozen=True)
class JointTrajectory:
    """A trajectory as it is sent.

    Attributes:
        joint_names: the order of the values in every point.
        points: in rising time.
        stamp: start time in s of the robot's clock; 0 means "now".
    """

    joint_names: Sequence[str]
    points: Sequence[TrajectoryPoint]
    stamp: float = 0.0


@dataclass(frozen=True)
class TrajectoryState:
    """A point in the controller's own joint order; velocities and accelerations may be absent."""

    time: float
    positions: Array
    velocities: Array | None
    accelerations: Array | None


class Segment:
    """The way from one state to another: linear, cubic or quintic, by what both of them give."""

    def __init__(self, start: TrajectoryState, end: TrajectoryState) -> None:
        """Solve for the coefficients."""
        span = end.time - start.time
        p0, delta = start.positions, end.positions - start.positions
        v0, v1, a0, a1 = start.velocities, end.velocities, start.accelerations, end.accelerations
        self._begin = start.time
        self._orders: list[tuple[Array, ...]] = [(p0, delta / span)]  # derivatives, when asked for
        if v0 is None or v1 is None:
            return
        if a0 is None or a1 is None:
            c2 = (3 * delta / span - 2 * v0 - v1) / span
            c3 = (v0 + v1 - 2 * delta / span) / span**2
            self._orders = [(p0, v0, c2, c3)]
            return
        c3 = (10 * delta / span - 6 * v0 - 4 * v1 + span * (a1 - 3 * a0) / 2) / span**2
        c4 = (-15 * delta / span + 8 * v0 + 7 * v1 + span * (3 * a0 - 2 * a1) / 2) / span**3
        c5 = (6 * delta / span - 3 * (v0 + v1) + span * (a1 - a0) / 2) / span**4
        self._orders = [(p0, v0, a0 / 2, c3, c4, c5)]

    def positions(self, now: float) -> Array:
        """Positions [n] at ``now`` (s)."""
        return self._derivative(0, now)

    def velocities(self, now: float) -> Array:
        """Velocities [n] at ``now`` (s)."""
        return self._derivative(1, now)

    def state(self, now: float) -> TrajectoryState:
        """Positions and their two derivatives at ``now`` (s)."""
        return TrajectoryState(now, *(self._derivative(order, now) for order in range(3)))

    def _derivative(self, order: int, now: float) -> Array:
        while len(self._orders) <= order:
            last = self._orders[-1]
            derived = tuple(k * c for k, c in enumerate(last))[1:]
            self._orders.append(derived or (np.zeros_like(last[0]),))
        *lower, value = self._orders[order]
        t = now - self._begin
        for coefficient in reversed(lower):
            value = coefficient + t * value
        return value


_FLOAT_EPSILON = float(np.finfo(np.float32).eps)  # the real one compares in this precision


def reason_to_reject(
    trajectory: JointTrajectory, joint_names: Sequence[str], release: ControllerRelease, now: float
) -> str | None:
    """Return in one sentence why a controller of these joints refuses a trajectory, None if not.

    ``now`` is the time (s, robot's clock) at which it comes.
    """
    names, points = trajectory.joint_names, trajectory.points
    missing = [name for name in joint_names if name not in names]
    unknown = [name for name in names if name not in joint_names]
    if unknown:
        return f"unknown joints: {', '.join(unknown)}"
    if missing:
        return f"missing joints: {', '.join(missing)}"
    if len(names) != len(joint_names):
        return f"a joint is named twice: {', '.join(names)}"
    if not points:
        return "the trajectory has no points"
    if not release.allow_nonzero_velocity_at_trajectory_end:
        for name, velocity in zip(names, points[-1].velocities, strict=False):
            if abs(velocity) > _FLOAT_EPSILON:
                return f"the velocity of {name} at the last point is {velocity:g}, not zero"
    end = trajectory.stamp + points[-1].time_from_start
    if trajectory.stamp != 0.0 and end < now:
        return f"the trajectory ended in the past, {now - end:.3f} s ago"
    return _reason_to_reject_points(points, len(names), release)


def _reason_to_reject_points(
    points: Sequence[TrajectoryPoint], width: int, release: ControllerRelease
) -> str | None:
    for k, point in enumerate(points):
        if k and point.time_from_start <= points[k - 1].time_from_start:
            return f"the times of points {k - 1} and {k} are not strictly rising"
        for field, required in (("positions", True), ("velocities", False)):
            given = len(getattr(point, field))
            if given != width and (required or given):
                return f"point {k} has {given} {field} for {width} joints"
        if len(point.accelerations) not in (0, width):
            return f"point {k} has {len(point.accelerations)} accelerations for {width} joints"
        if len(point.accelerations) and not len(point.velocities):
            # The real controller accepts this and then commands zero positions, because no
            # degree of interpolation fits: nobody wants to find that out in a simulator.
            return f"point {k} has accelerations but no velocities"
        if len(point.effort):
            return f"point {k} has effort values: {release.effort_refusal}"
    return None
