# SPDX-License-Identifier: Apache-2.0
"""Whether a trajectory controller executes a goal of its action, MoveIt's for instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from action_msgs.msg import GoalStatus, GoalStatusArray

from quantvla_ros.nodes.qos import LATCHED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rclpy.node import Node

_TOPIC, _ACTION = "/joint_trajectory", "/follow_joint_trajectory"
"""Names of JointTrajectoryController's two inputs, below the controller's own name."""

_STATUS = "/_action/status"
_ACTIVE = {
    GoalStatus.STATUS_ACCEPTED,
    GoalStatus.STATUS_EXECUTING,
    GoalStatus.STATUS_CANCELING,
}


class GoalWatch:
    """Listens to the status that every action server publishes; made once for a node."""

    def __init__(self, node: Node) -> None:
        """Take the node; nothing is listened to yet."""
        self._node = node
        self._active: dict[str, bool] = {}

    def listen(self, command_topics: Iterable[str]) -> None:
        """Listen to the controllers behind these topics; others than a controller's are passed."""
        for topic in command_topics:
            action = _action(topic)
            if topic.endswith(_TOPIC) and action not in self._active:
                self._active[action] = False
                self._node.create_subscription(
                    GoalStatusArray, action + _STATUS, self._receiver(action), LATCHED
                )

    def busy(self, command_topic: str) -> str:
        """Name of the action whose goal the controller behind a topic executes; empty for none."""
        action = _action(command_topic)
        # A server that is gone left its last status here, whatever that was.
        there = self._active.get(action) and self._node.count_publishers(action + _STATUS)
        return action if there else ""

    def _receiver(self, action: str) -> Callable[[GoalStatusArray], None]:
        def receive(message: GoalStatusArray) -> None:
            self._active[action] = any(goal.status in _ACTIVE for goal in message.status_list)

        return receive


def _action(command_topic: str) -> str:
    return command_topic.removesuffix(_TOPIC) + _ACTION
