# SPDX-License-Identifier: Apache-2.0
"""Whether a controller executes a goal of its action that is not ours, MoveIt's for instance."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from action_msgs.msg import GoalStatus, GoalStatusArray
from rclpy.node import Node

from quantvla_ros.nodes.qos import LATCHED

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
        self._own: dict[str, Callable[[bytes], bool]] = {}

    def listen(self, command_topics: Iterable[str]) -> None:
        """Listen to the controllers behind these topics; others than a controller's are passed."""
        for topic in command_topics:
            action = _action(topic)
            if topic.endswith(_TOPIC):
                self.listen_to(action, lambda _: False)

    def listen_to(self, action: str, own: Callable[[bytes], bool]) -> None:
        """Listen to an action; ``own`` says whether the goal with this id is the node's."""
        self._own[action] = own
        if action not in self._active:
            self._active[action] = False
            self._node.create_subscription(
                GoalStatusArray, action + _STATUS, self._receiver(action), LATCHED
            )

    def busy(self, command_topic: str) -> str:
        """Name of the action whose goal the controller behind a topic executes; empty for none."""
        action = _action(command_topic)
        return action if self.executes(action) else ""

    def executes(self, action: str) -> bool:
        """Whether the action's server executes a goal that is not the node's."""
        # A server that is gone left its last status here, whatever that was.
        return self._active.get(action, False) and self._node.count_publishers(action + _STATUS) > 0

    def _receiver(self, action: str) -> Callable[[GoalStatusArray], None]:
        def receive(message: GoalStatusArray) -> None:
            own = self._own[action]
            self._active[action] = any(
                goal.status in _ACTIVE and not own(bytes(goal.goal_info.goal_id.uuid))
                for goal in message.status_list
            )

        return receive


def _action(command_topic: str) -> str:
    return command_topic.removesuffix(_TOPIC) + _ACTION
