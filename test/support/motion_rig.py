# SPDX-License-Identifier: Apache-2.0
"""A motion controller with all that it is given, and without threads or a graph."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController

PERIOD, DT, START = 0.02, 0.1, 1.7e9
SHAPE = np.array([0.3, 0.15, 0.3, 0.01])


def arm_limits() -> JointLimits:
    """Three joints of a Panda's size and a gripper finger."""
    return JointLimits(
        ("shoulder", "elbow", "wrist", "finger"),
        np.array([-2.9, -1.76, -0.02, 0.0]),
        np.array([2.9, 1.76, 3.75, 0.04]),
        np.array([2.17, 2.17, 2.61, 0.2]),
        np.array([3.75, 1.875, 5.0, 2.0]),
        np.array([100.0, 60.0, 150.0, 80.0]),
    )


class Rig:
    """A controller with a clock, an arm that follows exactly, and a policy that waves."""

    def __init__(self, limits, home) -> None:
        self.home = home
        self.now = START
        self.c = MotionController(limits, PERIOD)
        self.window = None
        self.c.activate(self.now)
        self.see(home)

    @property
    def first(self) -> np.ndarray:
        """The first new point of the newest window."""
        return self.window.positions[self.window.fresh]

    def see(self, position, velocity=0.0) -> None:
        self.c.observe_joints(self.now, position, np.full(4, velocity))

    def chunk(self, rows: int = 16) -> FaultCode | None:
        t = self.now + DT * np.arange(1, rows + 1) - START
        return self.c.offer_chunk(self.home + np.sin(2 * t)[:, None] * SHAPE, self.now, DT)

    def run(self, seconds: float, feed: bool = False) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            if feed and self.c.wants_chunk(self.now):
                self.chunk()
            self.window = self.c.tick(self.now)

    def until_rest(self) -> np.ndarray:
        """Tick on until nothing is published; return the first points [K, n] of the windows."""
        firsts = []
        for _ in range(200):
            self.now += PERIOD
            window = self.c.tick(self.now)
            if window is None:
                return np.array(firsts)
            firsts.append(window.positions[window.fresh])
            self.window = window
        raise AssertionError("the arm does not come to rest")

    def speed(self) -> float:
        return float(np.abs(self.window.velocities[self.window.fresh]).max())


def stops_along(path, moving) -> None:
    """Let the arm come to rest: soon, and nowhere off the path that it was on."""
    firsts = moving.until_rest()
    assert moving.c.at_rest
    assert 0.25 < len(firsts) * PERIOD < 0.7
    t = np.linspace(moving.now - 1.0, moving.now + 0.2, 6000)
    line = path.sample(t).position
    distance = np.abs(firsts[:, None, :3] - line[None, :, :3]).max(axis=2).min(axis=1)
    assert distance.max() < 3e-3
