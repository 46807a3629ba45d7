# SPDX-License-Identifier: Apache-2.0
"""A trajectory as it is sent to a controller, when one is refused, and how one is interpolated."""

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


def interpolate(start: TrajectoryState, end: TrajectoryState, now: float) -> TrajectoryState:
    """Linear, cubic or quintic between two states at ``now`` (s), by what both of them give."""
    span = end.time - start.time
    t = now - start.time
    delta = end.positions - start.positions
    if start.velocities is None or end.velocities is None:
        velocities = delta / span
        return TrajectoryState(
            now, start.positions + velocities * t, velocities, np.zeros_like(delta)
        )
    v0, v1 = start.velocities, end.velocities
    if start.accelerations is None or end.accelerations is None:
        c2 = (3 * delta / span - 2 * v0 - v1) / span
        c3 = (v0 + v1 - 2 * delta / span) / span**2
        return TrajectoryState(
            now,
            start.positions + t * (v0 + t * (c2 + t * c3)),
            v0 + t * (2 * c2 + t * 3 * c3),
            2 * c2 + 6 * c3 * t,
        )
    a0, a1 = start.accelerations, end.accelerations
    c3 = (10 * delta / span - 6 * v0 - 4 * v1 + span * (a1 - 3 * a0) / 2) / span**2
    c4 = (-15 * delta / span + 8 * v0 + 7 * v1 + span * (3 * a0 - 2 * a1) / 2) / span**3
    c5 = (6 * delta / span - 3 * (v0 + v1) + span * (a1 - a0) / 2) / span**4
    return TrajectoryState(
        now,
        start.positions + t * (v0 + t * (a0 / 2 + t * (c3 + t * (c4 + t * c5)))),
        v0 + t * (a0 + t * (3 * c3 + t * (4 * c4 + t * 5 * c5))),
        a0 + t * (6 * c3 + t * (12 * c4 + t * 20 * c5)),
    )


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
