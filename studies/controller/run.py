# SPDX-License-Identifier: Apache-2.0
"""Windows that move the simulated robot, replayed through the controllers of all releases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from calib_tools.common.progress import Report
from calib_tools.common.setpoints import ControllerSetup, Shares, replay, window_trajectory
from calib_tools.evaluate.closed_loop import ClosedLoop
from calib_tools.evaluate.plan import FIRST_SEED
from quantvla_ros.backends.policy import load_policy
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window
from simulation.controller_release import RELEASES
from simulation.robot import JOINT_NAMES, SimulatedRobot
from simulation.trajectory import JointTrajectory

LATENCY_S = 0.12
LONGEST_TRANSPORT_S = 0.008


@dataclass(frozen=True)
class Motion:
    """Windows of one episode and when each came (s, robot's clock), rising."""

    windows: list[tuple[float, Window]]

    def arrivals(self) -> list[tuple[float, JointTrajectory]]:
        """When each came, and the trajectory."""
        return [(at, window_trajectory(window, JOINT_NAMES, 0.0)) for at, window in self.windows]

    def without_due_points(self) -> Motion:
        """The same windows without the points that are already due when they arrive."""
        return Motion([(at, _from_fresh_on(window)) for at, window in self.windows])


def record_motions(bundle: Path, episodes: int, report: Report) -> list[Motion]:
    """Play so many episodes of pick_place in process; each window takes up to 8 ms to come."""
    robot, policy = SimulatedRobot("pick_place"), load_policy(bundle)
    rng = np.random.default_rng(0)
    motions = []
    for number in range(episodes):
        report(f"episode {number + 1} of {episodes}")
        heard: list[tuple[float, Window]] = []

        def note(now: float, window: Window, heard: list[tuple[float, Window]] = heard) -> None:
            heard.append((now + rng.uniform(0.0, LONGEST_TRANSPORT_S), window))

        loop = ClosedLoop(robot, policy, lambda: LATENCY_S, on_window=note)
        loop.play(FIRST_SEED + number)
        motions.append(Motion(heard))
    robot.close()
    return motions


def _from_fresh_on(window: Window) -> Window:
    kept = slice(window.fresh, None)
    return replace(
        window,
        times=window.times[kept],
        positions=window.positions[kept],
        velocities=window.velocities[kept],
        accelerations=window.accelerations[kept],
        fresh=0,
    )


RATES_HZ = (100.0, 250.0, 500.0, 1000.0)
STATE_AGE_S = 0.01
_SEED = 0


def compare(motions: Sequence[Motion], limits: JointLimits, report: Report) -> list[dict[str, Any]]:
    """Return a row for each kind of windows, release, option and rate: shares of the limits.

    The option `interpolate_from_desired_state` is on, or off with a state that is
    `STATE_AGE_S` old; then an arm that follows exactly is measured.
    """
    rows = []
    kinds = {
        "as published": list(motions),
        "without the points that are due": [motion.without_due_points() for motion in motions],
    }
    for (kind, played), release, desired in product(
        kinds.items(), RELEASES.values(), (True, False)
    ):
        report(f"{kind}: {release.name}, option {'on' if desired else 'off'}")
        for rate in RATES_HZ:
            setup = ControllerSetup(release, rate, desired, 0.0 if desired else STATE_AGE_S)
            largest = Shares()
            for motion in played:
                setpoints = replay(
                    motion.arrivals(),
                    motion.windows[0][1].positions[0],
                    setup,
                    np.random.default_rng(_SEED),
                )
                largest = largest.joined(setpoints.shares(limits))
            rows.append(
                {
                    "windows": kind,
                    "release": release.name,
                    "interpolate_from_desired_state": desired,
                    "rate_hz": rate,
                    **largest._asdict(),
                }
            )
    return rows
