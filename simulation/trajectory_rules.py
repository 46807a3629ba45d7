# SPDX-License-Identifier: Apache-2.0
"""Which trajectories a JointTrajectoryController refuses (`validate_trajectory_msg`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulation.controller_release import ControllerRelease
from simulation.trajectory import JointTrajectory, TrajectoryPoint

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
