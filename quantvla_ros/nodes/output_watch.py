# SPDX-License-Identifier: Apache-2.0
"""Finds other commanders of the same controllers, and a gripper's controller that is absent."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from rclpy.publisher import Publisher

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.nodes.goal_watch import GoalWatch
from quantvla_ros.nodes.graph_names import publisher_names
from quantvla_ros.nodes.gripper import Gripper


class OutputWatch:
    """Asks the ROS graph who publishes where the node commands, and whether a goal is executed.

    Not for the control thread, which reads `conflict` only: a question to the graph takes locks of
    the middleware.
    """

    def __init__(
        self,
        node: Node,
        publishers: Sequence[Publisher],
        goals: GoalWatch,
        grippers: Sequence[Gripper] = (),
    ) -> None:
        """Take the node, its publishers of commands, what listens to actions, and the grippers."""
        self._node = node
        self._topics = [publisher.topic_name for publisher in publishers]
        self._goals = goals
        goals.listen(self._topics)
        self._grippers = grippers
        for gripper in grippers:
            if gripper.action:
                goals.listen_to(gripper.action, gripper.owns)
        self.conflict: Condition | None = None

    def look(self) -> None:
        """Renew `conflict`."""
        conflict = next(filter(None, map(self._conflict_on, self._topics)), None)
        self.conflict = conflict or next(filter(None, map(self._of_gripper, self._grippers)), None)

    def _of_gripper(self, gripper: Gripper) -> Condition | None:
        if gripper.action and self._goals.executes(gripper.action):
            return _executed(gripper.action)
        return gripper.absent()

    def _conflict_on(self, topic: str) -> Condition | None:
        if self._node.count_publishers(topic) > 1:
            return self._describe(topic)
        action = self._goals.busy(topic)
        return _executed(action) if action else None

    def _describe(self, topic: str) -> Condition:
        own, found = self._node.get_fully_qualified_name(), publisher_names(self._node, topic)
        if own in found:
            found.remove(own)
        names = ", ".join(sorted(set(found)))
        return (
            FaultCode.OUTPUT_CONFLICT,
            f"another node publishes on {topic}: {names or 'one without a name'}; end it",
        )


def _executed(action: str) -> Condition:
    return (
        FaultCode.OUTPUT_CONFLICT,
        f"the controller executes a goal of {action}; wait for its end, or cancel it",
    )
