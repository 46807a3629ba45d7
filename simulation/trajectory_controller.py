# SPDX-License-Identifier: Apache-2.0
"""What a JointTrajectoryController does with the trajectories it is sent, without ROS.

The rules are those of ros2_controllers (`validate_trajectory_msg`, `update` and
`Trajectory::sample` of joint_trajectory_controller) with every option at the default of the
release, except that a new trajectory starts from the last setpoint: `desired_state_parameters` of
`ControllerRelease` says by which option. A test compares it with setpoints of a real controller.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from simulation.controller_release import STRICTEST, ControllerRelease
from simulation.trajectory import (
    Array,
    JointTrajectory,
    TrajectoryState,
    interpolate,
    reason_to_reject,
)

RATE_HZ = 500.0
"""Control cycles a second where nothing else is said."""
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 20.0, 1000.0
_LONGEST_PAUSE_S = 1.0
_EARLY_S = 1e-9
_CYCLES_KEPT = 1000


class TrajectoryController:
    """Turns trajectories into joint setpoints, one each control cycle.

    An accepted trajectory replaces the one before it whole. Until its first point is due the
    setpoint is interpolated from the controller's own state to that point; after its last point the
    last point is held. Neither limits nor finiteness of the values are checked: the real controller
    checks neither, so the sender has to.

    Attributes:
        executed: begin (s) and commanded positions [n] of the newest cycles; its reader clears it.
    """

    def __init__(
        self,
        joint_names: Sequence[str],
        positions: Array,
        release: ControllerRelease = STRICTEST,
        rate_hz: float = RATE_HZ,
        interpolate_from_desired_state: bool = True,
    ) -> None:
        """Hold a position.

        Args:
            joint_names: of n joints.
            positions: [n], rad or m, in their order.
            release: whose rules hold.
            rate_hz: control cycles a second; infinite: each cycle commands for its own instant.
            interpolate_from_desired_state: whether a new trajectory starts from the last setpoint;
                otherwise it starts from the measured state.
        """
        self.joint_names = tuple(joint_names)
        self._release = release
        self._period_s = 1.0 / rate_hz
        self._from_desired = interpolate_from_desired_state
        self.executed: deque[tuple[float, Array]] = deque(maxlen=_CYCLES_KEPT)
        self.reset(positions)

    def reset(self, positions: Array) -> None:
        """Forget the trajectory and the clock, and hold `positions` [n] at rest."""
        held = np.array(positions, dtype=np.float64)
        at_rest = np.zeros_like(held)
        self.executed.clear()
        self._updated: float | None = None
        self._next_cycle: float | None = None
        self._desired = TrajectoryState(0.0, held, at_rest, at_rest)
        self._points: list[TrajectoryState] = []
        self._before: TrajectoryState | None = None
        self._starts_now = False

    def submit(self, trajectory: JointTrajectory, now: float) -> str | None:
        """Take a trajectory or refuse it.

        Returns:
            None when it was accepted, else the reason in one sentence; the trajectory that runs
            goes on then.
        """
        reason = reason_to_reject(trajectory, self.joint_names, self._release, now)
        if reason is not None:
            return reason
        order = [list(trajectory.joint_names).index(name) for name in self.joint_names]
        self._points = [
            TrajectoryState(
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

    def setpoint(self, now: float, measured: tuple[Array, Array] | None = None) -> Array:
        """Return the positions [n] of the newest control cycle at ``now`` (s, robot's clock).

        Ask in rising time; ``measured`` is for `update`.
        """
        if self._next_cycle is None or now - self._next_cycle > _LONGEST_PAUSE_S:
            self._next_cycle = now
        while self._next_cycle <= now + _EARLY_S:
            positions, _ = self.update(self._next_cycle, measured)
            self.executed.append((self._next_cycle, positions))
            self._next_cycle += self._period_s
        setpoint: Array = self._desired.positions.copy()
        return setpoint

    def update(
        self, now: float, measured: tuple[Array, Array] | None = None
    ) -> tuple[Array, Array]:
        """Run one control cycle.

        Args:
            now: when the cycle begins, s of the robot's clock; one before that of the last cycle
                changes nothing.
            measured: positions and velocities [n]; needed where new trajectories start there.

        Returns:
            Positions and velocities [n] that are commanded.
        """
        if self._updated is None or now >= self._updated:
            if self._points:
                self._desired = self._sample_trajectory(now, measured)
            self._updated = now
        desired = self._desired
        velocities = np.zeros_like(desired.positions)
        if desired.velocities is not None:
            velocities[:] = desired.velocities
        return desired.positions.copy(), velocities

    def _sample_trajectory(
        self, now: float, measured: tuple[Array, Array] | None
    ) -> TrajectoryState:
        if self._starts_now:
            self._points = [replace(point, time=now + point.time) for point in self._points]
            self._starts_now = False
        if self._before is None:
            self._before = self._own_state(now, measured)
        at = now + self._period_s if self._release.commands_ahead else now
        points = self._points
        index = bisect_right([p.time for p in points], at)
        if index == len(points):
            last = points[-1]
            at_rest = np.zeros_like(last.positions)
            return TrajectoryState(
                at,
                last.positions,
                at_rest if last.velocities is None else last.velocities,
                at_rest if last.accelerations is None else last.accelerations,
            )
        start = points[index - 1] if index else self._before
        return interpolate(start, points[index], at)

    def _own_state(self, now: float, measured: tuple[Array, Array] | None) -> TrajectoryState:
        """Where a new trajectory starts."""
        if not self._from_desired:
            if measured is None:
                raise ValueError("a controller that starts from the measured state needs it")
            return TrajectoryState(now, np.array(measured[0]), np.array(measured[1]), None)
        noted = now
        if self._release.commands_ahead and self._updated is not None:
            noted = self._updated  # though the setpoint is for a cycle later
        return replace(self._desired, time=noted)


def _ordered(values: Sequence[float], order: list[int]) -> Array | None:
    return np.array(values, dtype=np.float64)[order] if len(values) else None
