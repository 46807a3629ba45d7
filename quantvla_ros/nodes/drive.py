# SPDX-License-Identifier: Apache-2.0
"""What a policy's actions drive: joints by trajectories, or the tip by twists."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.gripper import Gripper
from quantvla_ros.nodes.trajectory_writer import TrajectoryWriter
from quantvla_ros.serving.input_types import JointSample

if TYPE_CHECKING:
    from rclpy.publisher import Publisher


class Drive(Protocol):
    """The way between a policy's chunks, the motion controller's n axes, and the topics.

    Attributes:
        limits: of the axes.
        speeds: [n] see `MotionController`, None: no axis.
        watched: [n] axes whose measured position can be compared with the command.
        publishers: of all commands that are messages.
        gripper: that is commanded apart from the other axes, None for none.
        longest_gap_s: after so long without a command the receiver has stopped by itself.
        timed: whether a command says when it begins, so that it must not come later.
    """

    limits: JointLimits
    speeds: NDArray[np.bool_] | None
    watched: NDArray[np.bool_]
    longest_gap_s: float
    timed: bool
    publishers: tuple[Publisher, ...]
    gripper: Gripper | None

    def points(self, actions: FloatArray) -> FloatArray:
        """Points [H, n] of a chunk [H, n] in the policy's units."""
        ...

    def actions(self, points: FloatArray) -> FloatArray:
        """The way back: points [K, n] in the policy's units."""
        ...

    def measured(self, sample: JointSample) -> tuple[FloatArray, FloatArray]:
        """Position and velocity [n] of a joint state; zero where an axis is not measured."""
        ...

    def begin(self) -> None:
        """Forget what was still to be said of the motion before; at activation and arming."""
        ...

    def before_arming(self) -> None:
        """Make the receiver listen.

        Raises:
            QuantVLAError: it refuses.
        """
        ...

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the messages of a window; calling the result publishes them."""
        ...

    def idle(self, now: float) -> bool:
        """Called at each tick (s, ROS clock) at which nothing moves.

        Returns whether the receiver has been told all that it needs.
        """
        ...


class JointDrive:
    """Trajectories of all joints, or of all but a gripper with a controller of its own."""

    speeds: NDArray[np.bool_] | None = None
    longest_gap_s = math.inf
    timed = True

    def __init__(
        self,
        limits: JointLimits,
        observed: tuple[str, ...],
        publisher: Publisher,
        gripper: Gripper | None,
    ) -> None:
        """Take the joints, the order of the joint states, and where commands go."""
        self.limits = limits
        self._publisher = publisher
        self.publishers: tuple[Publisher, ...] = (
            publisher, *(gripper.publishers if gripper is not None else ())
        )  # fmt: skip
        self.watched = np.ones(len(limits.names), dtype=np.bool_)
        self._order = [observed.index(name) for name in limits.names]
        self.gripper = gripper
        own = gripper.joint if gripper is not None else None
        self._columns = [i for i, name in enumerate(limits.names) if name != own]
        self._writer = TrajectoryWriter([limits.names[i] for i in self._columns])
        self._own = -1
        if gripper is not None:
            self._own = limits.names.index(gripper.joint)
            self.watched[self._own] = gripper.watched

    def points(self, actions: FloatArray) -> FloatArray:
        """The actions: they are positions."""
        return actions

    def actions(self, points: FloatArray) -> FloatArray:
        """The points."""
        return points

    def measured(self, sample: JointSample) -> tuple[FloatArray, FloatArray]:
        """The joints in the limits' order."""
        return sample.positions[self._order], sample.velocities[self._order]

    def begin(self) -> None:
        """Forget where the gripper was to end."""
        if self.gripper is not None:
            self.gripper.begin()

    def before_arming(self) -> None:
        """Nothing: a JointTrajectoryController always listens."""

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the trajectory and the gripper's command."""
        if self.gripper is None:
            trajectory = self._writer.write(window)
            return lambda: self._publisher.publish(trajectory)
        trajectory = self._writer.write(window.of(self._columns))
        return self._both(trajectory, self.gripper.prepared(window, self._own))

    def idle(self, now: float) -> bool:
        """The last trajectory ended at rest; the gripper is told its end."""
        return self.gripper is None or self.gripper.settle()

    def _both(self, trajectory: JointTrajectory, grip: Callable[[], None]) -> Callable[[], None]:
        def publish() -> None:
            self._publisher.publish(trajectory)
            grip()

        return publish
