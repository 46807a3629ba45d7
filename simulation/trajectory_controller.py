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
    Segment,
    TrajectoryPoint,
    TrajectoryState,
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
        self._way: Segment | TrajectoryState = TrajectoryState(0.0, held, at_rest, at_rest)
        self._at = 0.0  # where on its way the newest cycle is, s
        self._commanded = held
        self._points: Sequence[TrajectoryPoint] = ()
        self._times: list[float] = []  # when they are due, s
        self._order: list[int] = []
        self._index: int | None = None  # of the point that the way leads to
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
        names = list(trajectory.joint_names)
        self._order = [names.index(name) for name in self.joint_names]
        self._points = trajectory.points
        self._times = [trajectory.stamp + point.time_from_start for point in trajectory.points]
        self._index = None
        self._starts_now = trajectory.stamp == 0.0
        return None

    def setpoint(self, now: float, measured: tuple[Array, Array] | None = None) -> Array:
        """Return the positions [n] of the newest control cycle at ``now`` (s, robot's clock).

        Ask in rising time; ``measured`` is for `update`.
        """
        if self._next_cycle is None or now - self._next_cycle > _LONGEST_PAUSE_S:
            self._next_cycle = now
        while self._next_cycle <= now + _EARLY_S:
            self._cycle(self._next_cycle, measured)
            self.executed.append((self._next_cycle, self._commanded))
            self._next_cycle += self._period_s
        commanded: Array = self._commanded.copy()
        return commanded

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
        self._cycle(now, measured)
        way = self._way
        velocities = way.velocities(self._at) if isinstance(way, Segment) else way.velocities
        at_rest = np.zeros_like(self._commanded)
        return self._commanded.copy(), at_rest if velocities is None else velocities.copy()

    def _cycle(self, now: float, measured: tuple[Array, Array] | None) -> None:
        if self._updated is None or now >= self._updated:
            if self._points:
                self._follow(now, measured)
            self._updated = now

    def _follow(self, now: float, measured: tuple[Array, Array] | None) -> None:
        """Go on to what the trajectory has for this cycle."""
        if self._starts_now:
            self._times = [now + time for time in self._times]
            self._starts_now = False
        at = now + self._period_s if self._release.commands_ahead else now
        index = bisect_right(self._times, at)
        if index != self._index:
            start = self._point(index - 1) if index else self._own_state(now, measured)
            self._way = self._way_to(index, start)
            self._index = index
        self._at = at
        way = self._way
        self._commanded = way.positions(at) if isinstance(way, Segment) else way.positions

    def _way_to(self, index: int, start: TrajectoryState) -> Segment | TrajectoryState:
        """From a state to a point; the last one is held."""
        if index < len(self._points):
            return Segment(start, self._point(index))
        at_rest = np.zeros_like(start.positions)
        return TrajectoryState(
            start.time,
            start.positions,
            at_rest if start.velocities is None else start.velocities,
            at_rest if start.accelerations is None else start.accelerations,
        )

    def _point(self, index: int) -> TrajectoryState:
        point = self._points[index]
        return TrajectoryState(
            self._times[index],
            np.array(point.positions, dtype=np.float64)[self._order],
            _ordered(point.velocities, self._order),
            _ordered(point.accelerations, self._order),
        )

    def _own_state(self, now: float, measured: tuple[Array, Array] | None) -> TrajectoryState:
        """Where a new trajectory starts."""
        if not self._from_desired:
            if measured is None:
                raise ValueError("a controller that starts from the measured state needs it")
            return TrajectoryState(now, np.array(measured[0]), np.array(measured[1]), None)
        noted = now
        if self._release.commands_ahead and self._updated is not None:
            noted = self._updated  # though the setpoint is for a cycle later
        way = self._way
        desired = way.state(self._at) if isinstance(way, Segment) else way
        return replace(desired, time=noted)


def _ordered(values: Sequence[float], order: list[int]) -> Array | None:
    return np.array(values, dtype=np.float64)[order] if len(values) else None
