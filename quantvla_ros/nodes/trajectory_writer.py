# SPDX-License-Identifier: Apache-2.0
"""Rolling windows as messages, which are made once and refilled at every control tick."""

from __future__ import annotations

import array
from collections.abc import Sequence

import numpy as np
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from quantvla_ros.control.window import Window
from quantvla_ros.nodes.conversion import seconds_to_stamp

_SECOND_NS = 1_000_000_000


class TrajectoryWriter:
    """Fills one message that a JointTrajectoryController takes; for one thread."""

    def __init__(self, names: Sequence[str]) -> None:
        """Take the joints in the order of the windows' columns."""
        self._message = JointTrajectory(joint_names=list(names))
        self._points: list[JointTrajectoryPoint] = []

    def write(self, window: Window) -> JointTrajectory:
        """Return the window as a message; it holds until the next call."""
        count = len(window.times)
        self._points += [JointTrajectoryPoint() for _ in range(count - len(self._points))]
        nanoseconds = np.rint((window.times - window.times[0]) * _SECOND_NS).astype(np.int64)
        points = self._points[:count]
        for point, time, position, velocity, acceleration in zip(
            points,
            nanoseconds.tolist(),
            window.positions,
            window.velocities,
            window.accelerations,
            strict=True,
        ):
            duration = point.time_from_start
            duration.sec, duration.nanosec = divmod(time, _SECOND_NS)
            point.positions = array.array("d", position.tobytes())
            point.velocities = array.array("d", velocity.tobytes())
            point.accelerations = array.array("d", acceleration.tobytes())
        self._message.header.stamp = seconds_to_stamp(window.start)
        self._message.points = points
        return self._message
