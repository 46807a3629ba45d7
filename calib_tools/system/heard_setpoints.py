# SPDX-License-Identifier: Apache-2.0
"""Setpoints of the simulated robot's trajectory controller, as received on ``sim/setpoints``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from calib_tools.common.setpoints import Setpoints, Shares
from quantvla_ros.control.limits import JointLimits

SETPOINTS = "/sim/setpoints"
_NS = 1_000_000_000
_LONGEST_PERIOD_S = 0.06  # a longer pause means that something was not heard, or a reset


class HeardSetpoints:
    """Collects messages; a pause or a reset of the scene begins another run of setpoints."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the joints [n] wanted, in their order."""
        self._names = list(names)
        self._runs: list[tuple[list[float], list[list[float]]]] = []
        self._scene: str | None = None

    def clear(self) -> None:
        """Forget them."""
        self._runs.clear()
        self._scene = None

    def take(self, message: Any) -> None:
        """Add a decoded message."""
        order = [list(message.joint_names).index(name) for name in self._names]
        begin = message.header.stamp.sec * _NS + message.header.stamp.nanosec
        times = [
            (begin + p.time_from_start.sec * _NS + p.time_from_start.nanosec) / _NS
            for p in message.points
        ]
        scene, self._scene = self._scene, message.header.frame_id
        if scene != self._scene or not 0 < times[0] - self._runs[-1][0][-1] < _LONGEST_PERIOD_S:
            self._runs.append(([], []))
        run_times, run_positions = self._runs[-1]
        run_times += times
        run_positions += [[p.positions[k] for k in order] for p in message.points]

    def runs(self) -> Iterator[Setpoints]:
        """Setpoints received without a gap; times in s of the robot's clock."""
        for times, positions in self._runs:
            yield Setpoints(np.array(times), np.array(positions))

    def newest(self) -> Setpoints:
        """The newest run; empty when nothing was received."""
        return ([Setpoints(np.empty(0), np.empty((0, len(self._names)))), *self.runs()])[-1]

    def shares(self, limits: JointLimits) -> Shares:
        """Largest rates of all runs as shares of the limits of the joints."""
        largest = Shares()
        for run in self.runs():
            largest = largest.joined(run.shares(limits))
        return largest
