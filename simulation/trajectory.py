# SPDX-License-Identifier: Apache-2.0
"""A trajectory as it is sent to a controller, and how one goes between two of its points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
