# SPDX-License-Identifier: Apache-2.0
"""What a JointTrajectoryController does with the trajectories it is sent, without ROS.

The rules are those of ros2_controllers (`validate_trajectory_msg` and `Trajectory::sample` of
joint_trajectory_controller) with every option at the default of the release, except that a new
trajectory starts from the last setpoint: `desired_state_parameters` of `ControllerRelease` says by
which option.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantvla_ros.sim.controller_release import STRICTEST, ControllerRelease

Array = npt.NDArray[np.float64]

_FLOAT_EPSILON = float(np.finfo(np.float32).eps)  # the real one compares in this precision


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
class _State:
    """A point in the controller's own joint order; velocities and accelerations may be absent."""

    time: float
    positions: Array
    velocities: Array | None
    accelerations: Array | None


class TrajectoryController:
    """Turns trajectories into joint setpoints.

    An accepted trajectory replaces the one before it whole. Until its first point is due the
    setpoint is interpolated from the last setpoint to that point; after its last point the last
    point is held. Neither limits nor finiteness of the values are checked: the real controller
    checks neither, so the sender has to.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        positions: Array,
        release: ControllerRelease = STRICTEST,
    ) -> None:
        """Hold `positions` ([n], rad or m, in the order of `joint_names`)."""
        self.joint_names = tuple(joint_names)
        self._release = release
        self.reset(positions)

    def reset(self, positions: Array) -> None:
        """Forget the trajectory and the clock, and hold `positions` [n] at rest."""
        held = np.array(positions, dtype=np.float64)
        at_rest = np.zeros_like(held)
        self._last_sample_time: float | None = None
        self._desired = _State(0.0, held, at_rest, at_rest)
        self._points: list[_State] = []
        self._before: _State | None = None
        self._starts_now = False

    def submit(self, trajectory: JointTrajectory, now: float) -> str | None:
        """Take a trajectory or refuse it.

        Args:
            trajectory: what was sent.
            now: s of the robot's clock.

        Returns:
            None when it was accepted, else the reason in one sentence; the trajectory that runs
            goes on then.
        """
        reason = self._reason_to_reject(trajectory, now)
        if reason is not None:
            return reason
        order = [list(trajectory.joint_names).index(name) for name in self.joint_names]
        self._points = [
            _State(
                trajectory.stamp + point.time_from_start,
                np.array(point.positions, dtype=np.float64)[order],
                _ordered(point.velocities, order),
                _ordered(point.accelerations, order),
            )
            for point in trajectory.points
        ]
        self._starts_now = trajectory.stamp == 0.0
        self._before = None
        return None

    def sample(self, now: float) -> tuple[Array, Array]:
        """Return the setpoint: positions [n] and velocities [n] at `now` (s, robot's clock).

        A `now` before that of the last call returns the last setpoint again.
        """
        if self._last_sample_time is not None and now < self._last_sample_time:
            return self._setpoint()
        if self._points:
            self._desired = self._sample_trajectory(now)
        self._last_sample_time = now
        return self._setpoint()

    def _setpoint(self) -> tuple[Array, Array]:
        desired = self._desired
        velocities = np.zeros_like(desired.positions)
        if desired.velocities is not None:
            velocities[:] = desired.velocities
        return desired.positions.copy(), velocities

    def _sample_trajectory(self, now: float) -> _State:
        if self._starts_now:
            self._points = [
                _State(now + p.time, p.positions, p.velocities, p.accelerations)
                for p in self._points
            ]
            self._starts_now = False
        if self._before is None:
            time = now if self._last_sample_time is None else self._last_sample_time
            desired = self._desired
            self._before = _State(
                time, desired.positions, desired.velocities, desired.accelerations
            )
        points = self._points
        index = bisect_right([p.time for p in points], now)
        if index == len(points):
            last = points[-1]
            at_rest = np.zeros_like(last.positions)
            return _State(
                now,
                last.positions,
                at_rest if last.velocities is None else last.velocities,
                at_rest if last.accelerations is None else last.accelerations,
            )
        start = points[index - 1] if index else self._before
        return _interpolate(start, points[index], now)

    def _reason_to_reject(self, trajectory: JointTrajectory, now: float) -> str | None:
        names, points = trajectory.joint_names, trajectory.points
        missing = [name for name in self.joint_names if name not in names]
        unknown = [name for name in names if name not in self.joint_names]
        if unknown:
            return f"unknown joints: {', '.join(unknown)}"
        if missing:
            return f"missing joints: {', '.join(missing)}"
        if len(names) != len(self.joint_names):
            return f"a joint is named twice: {', '.join(names)}"
        if not points:
            return "the trajectory has no points"
        if not self._release.allow_nonzero_velocity_at_trajectory_end:
            for name, velocity in zip(names, points[-1].velocities, strict=False):
                if abs(velocity) > _FLOAT_EPSILON:
                    return f"the velocity of {name} at the last point is {velocity:g}, not zero"
        end = trajectory.stamp + points[-1].time_from_start
        if trajectory.stamp != 0.0 and end < now:
            return f"the trajectory ended in the past, {now - end:.3f} s ago"
        return _reason_to_reject_points(points, len(names), self._release)


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


def _ordered(values: Sequence[float], order: list[int]) -> Array | None:
    return np.array(values, dtype=np.float64)[order] if len(values) else None


def _interpolate(start: _State, end: _State, now: float) -> _State:
    """Linear, cubic or quintic between two states, by what both of them give."""
    span = end.time - start.time
    t = now - start.time
    delta = end.positions - start.positions
    if start.velocities is None or end.velocities is None:
        velocities = delta / span
        return _State(now, start.positions + velocities * t, velocities, np.zeros_like(delta))
    v0, v1 = start.velocities, end.velocities
    if start.accelerations is None or end.accelerations is None:
        c2 = (3 * delta / span - 2 * v0 - v1) / span
        c3 = (v0 + v1 - 2 * delta / span) / span**2
        return _State(
            now,
            start.positions + t * (v0 + t * (c2 + t * c3)),
            v0 + t * (2 * c2 + t * 3 * c3),
            2 * c2 + 6 * c3 * t,
        )
    a0, a1 = start.accelerations, end.accelerations
    c3 = (10 * delta / span - 6 * v0 - 4 * v1 + span * (a1 - 3 * a0) / 2) / span**2
    c4 = (-15 * delta / span + 8 * v0 + 7 * v1 + span * (3 * a0 - 2 * a1) / 2) / span**3
    c5 = (6 * delta / span - 3 * (v0 + v1) + span * (a1 - a0) / 2) / span**4
    return _State(
        now,
        start.positions + t * (v0 + t * (a0 / 2 + t * (c3 + t * (c4 + t * c5)))),
        v0 + t * (a0 + t * (3 * c3 + t * (4 * c4 + t * 5 * c5))),
        a0 + t * (6 * c3 + t * (12 * c4 + t * 20 * c5)),
    )
