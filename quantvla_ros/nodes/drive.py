# SPDX-License-Identifier: Apache-2.0
"""Joints that are driven by trajectories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rclpy.publisher import Publisher

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.gripper import Gripper
from quantvla_ros.nodes.trajectory_writer import TrajectoryWriter
from quantvla_ros.serving.drive import JointAxes


class JointDrive(JointAxes):
    """Trajectories of the joints, one a controller, but for grippers with controllers of their own.

    Attributes:
        publishers: of all commands that are messages.
        grippers: that are commanded apart.
    """

    def __init__(
        self,
        limits: JointLimits,
        observed: tuple[str, ...],
        trajectories: Sequence[tuple[Publisher, Sequence[str]]],
        grippers: Sequence[Gripper] = (),
    ) -> None:
        """Take the joints and where they go.

        Args:
            limits: of the joints that the policy commands.
            observed: order of the joint states.
            trajectories: publisher and joints of each controller of trajectories.
            grippers: of the joints that stand in no trajectory.
        """
        super().__init__(limits, observed)
        self.grippers = grippers
        self.publishers: tuple[Publisher, ...] = (
            *(publisher for publisher, _ in trajectories),
            *(publisher for gripper in grippers for publisher in gripper.publishers),
        )
        self._arms = [
            (publisher, [limits.names.index(name) for name in names], TrajectoryWriter(names))
            for publisher, names in trajectories
        ]
        self._columns = [limits.names.index(gripper.joint) for gripper in grippers]
        for column, gripper in zip(self._columns, grippers, strict=True):
            self.watched[column] = gripper.watched

    def begin(self) -> None:
        """Forget where the grippers were to end."""
        for gripper in self.grippers:
            gripper.begin()

    def prepared(self, window: Window) -> Callable[[], None]:
        """Make the trajectories and the grippers' commands."""
        written = [(p, writer.write(window.of(columns))) for p, columns, writer in self._arms]
        pairs = zip(self.grippers, self._columns, strict=True)
        grips = [gripper.prepared(window, column) for gripper, column in pairs]

        def publish() -> None:
            for publisher, trajectory in written:
                publisher.publish(trajectory)
            for grip in grips:
                grip()

        return publish

    def idle(self, now: float) -> bool:
        """The last trajectories ended at rest; send every gripper its last position."""
        return all([gripper.settle() for gripper in self.grippers])
