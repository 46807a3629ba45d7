# SPDX-License-Identifier: Apache-2.0
"""A trajectory controller's setpoints under a policy node's windows, and their rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window
from simulation.controller_release import STRICTEST, ControllerRelease
from simulation.trajectory import JointTrajectory, TrajectoryPoint
from simulation.trajectory_controller import TrajectoryController

Array = NDArray[np.float64]


class Shares(NamedTuple):
    """Largest velocity, acceleration and jerk of setpoints, each as a share of its limit."""

    velocity: float = 0.0
    acceleration: float = 0.0
    jerk: float = 0.0

    def joined(self, other: Shares) -> Shares:
        """The larger ones of two."""
        return Shares(*map(max, self, other))


@dataclass(frozen=True)
class Setpoints:
    """Positions [K, n] (rad or m) that a controller commanded for the times [K] (s), rising."""

    times: Array
    positions: Array

    def rates(self) -> tuple[Array, Array, Array]:
        """Velocities [K-1, n], accelerations [K-2, n] and jerks [K-3, n] by divided differences.

        A divided difference of order k lies between the smallest and the largest k-th derivative.
        """
        found, values, factor = [], self.positions, 1.0
        for order in (1, 2, 3):
            spans = self.times[order:] - self.times[:-order]
            values = np.diff(values, axis=0) / spans[:, None]
            factor *= order
            found.append(factor * values)
        velocity, acceleration, jerk = found
        return velocity, acceleration, jerk

    def shares(self, limits: JointLimits) -> Shares:
        """Largest rates as shares of the limits of the same joints."""
        of = (limits.velocity, limits.acceleration, limits.jerk)
        pairs = zip(self.rates(), of, strict=True)
        return Shares(*(float((np.abs(r) / limit).max(initial=0.0)) for r, limit in pairs))


@dataclass(frozen=True)
class ControllerSetup:
    """How a robot's trajectory controller is set up, and its clock.

    Attributes:
        release: of ros2_controllers.
        rate_hz: of its cycles.
        from_desired: its option interpolate_from_desired_state (open_loop_control on Humble).
        state_age_s: how old the state is that it measures.
        cycle_jitter: share of a period by which its cycles are early or late.
        clock_ahead_s: of its clock, beside that of the windows' stamps.
    """

    release: ControllerRelease = STRICTEST
    rate_hz: float = 500.0
    from_desired: bool = True
    state_age_s: float = 0.0
    cycle_jitter: float = 0.0
    clock_ahead_s: float = 0.0

    def controller(self, names: Sequence[str], held: Array) -> TrajectoryController:
        """One that holds the positions [n] of the joints ``names``."""
        return TrajectoryController(names, held, self.release, self.rate_hz, self.from_desired)


def window_trajectory(window: Window, names: Sequence[str], epoch: float) -> JointTrajectory:
    """The window as it is sent, in whole nanoseconds, with times counted from ``epoch`` (s).

    Doubles of today's dates are 0.2 us apart, which is too coarse for jerks.
    """
    rows = (window.positions, window.velocities, window.accelerations)
    times = window.times - window.times[0]
    points = [
        TrajectoryPoint(round(float(t), 9), *row) for t, *row in zip(times, *rows, strict=True)
    ]
    return JointTrajectory(names, points, round(window.start - epoch, 9))


def replay(
    arrivals: Sequence[tuple[float, JointTrajectory]],
    held: Array,
    setup: ControllerSetup,
    rng: np.random.Generator,
    after_s: float = 0.5,
) -> Setpoints:
    """Let trajectories arrive at a controller whose arm follows exactly.

    Args:
        arrivals: when each comes (s, rising, on the clock of its stamp), and the trajectory.
        held: position [n] that it holds before.
        setup: of the controller.
        rng: draws the phase and the jitter of its cycles.
        after_s: how long it goes on after the last one came.

    Raises:
        ValueError: it refuses a trajectory.
    """
    waiting = list(arrivals)
    begin = waiting[0][0] - 0.1
    controller = setup.controller(waiting[0][1].joint_names, held)
    period, behind = 1.0 / setup.rate_hz, round(setup.state_age_s * setup.rate_hz)
    ahead = period if setup.release.commands_ahead else 0.0
    phase = rng.uniform()
    times: list[float] = []
    states = [(held, np.zeros_like(held))] * (behind + 1)
    for cycle in range(round((waiting[-1][0] - begin + after_s) * setup.rate_hz)):
        now = begin + (cycle + phase + setup.cycle_jitter * rng.uniform(-0.5, 0.5)) * period
        while waiting and waiting[0][0] <= now - setup.clock_ahead_s:
            reason = controller.submit(waiting.pop(0)[1], now)
            if reason is not None:
                raise ValueError(f"the controller refuses a window: {reason}")
        states.append(controller.update(now, states[-1 - behind]))
        times.append(now + ahead)
    return Setpoints(np.array(times), np.array([state[0] for state in states[behind + 1 :]]))
