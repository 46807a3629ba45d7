# SPDX-License-Identifier: Apache-2.0
"""Joints that are driven by trajectories."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.publisher import Publisher
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.gripper import Gripper
from quantvla_ros.nodes.trajectory_writer import TrajectoryWriter
from quantvla_ros.serving.drive import JointAxes


class JointDrive(JointAxes):
    """Trajectories of all joints, or of all but a gripper with a controller of its own.

    Attributes:
        publishers: of all commands that are messages.
    """

    def __init__(
        self,
        limits: JointLimits,
        observed: tuple[str, ...],
        publisher: Publisher,
        gripper: Gripper | None,
    ) -> None:
        """Take the joints, the order of the joint states, and where commands go."""
        super().__init__(limits, observed)
        self._publisher = publisher
        self.publishers: tuple[Publisher, ...] = (
            publisher, *(gripper.publishers if gripper is not None else ())
        )  # fmt: skip
        self.gripper = gripper
        own = gripper.joint if gripper is not None else None
        self._columns = [i for i, name in enumerate(limits.names) if name != own]
        self._writer = TrajectoryWriter([limits.names[i] for i in self._columns])
        self._own = -1
        if gripper is not None:
            self._own = limits.names.index(gripper.joint)
            self.watched[self._own] = gripper.watched

    def begin(self) -> None:
        """Forget where the gripper was to end."""
        if self.gripper is not None:
            self.gripper.begin()

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
