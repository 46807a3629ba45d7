# SPDX-License-Identifier: Apache-2.0
"""A gripper that is not a joint of the arm's trajectory: what every kind of it can, and one kind.

`ActionGripper` (gripper_action.py) is the other one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray

from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.window import Window
from quantvla_ros.nodes.qos import COMMAND
from quantvla_ros.serving import drive

_MESSAGE = "std_msgs/msg/Float64MultiArray"


class Gripper(drive.Gripper, Protocol):
    """Commands the position of one joint (m or rad) to a gripper's controller.

    The first command comes once the wished position leaves the motion's first, and no command is
    taken back: whatever happens, the gripper keeps its grip.

    Attributes:
        publishers: of commands that are messages.
        action: name of the action that takes the commands, "" without one.
    """

    publishers: tuple[Publisher, ...]
    action: str

    def prepared(self, window: Window, column: int) -> Callable[[], None]:
        """Make the command for a window; calling the result sends what is to be sent of it."""
        ...

    def settle(self) -> bool:
        """Send the end of the last window, once; returns whether it is sent.

        The arm goes there without another command, and so must the gripper.
        """
        ...

    def owns(self, goal: bytes) -> bool:
        """Whether a goal of the action is this node's."""
        ...

    def absent(self) -> Condition | None:
        """Return the fault when no controller reads the commands; it locks, so not for control."""
        ...

    def close(self) -> None:
        """Take a topic away."""
        ...


class ForwardGripper:
    """Streams positions to a forward_command_controller: std_msgs/Float64MultiArray with one."""

    watched = True
    action = ""
    state = ""

    def __init__(self, node: Node, joint: str, topic: str) -> None:
        """Create the publisher of the joint's positions."""
        self.joint = joint
        self._node = node
        self._publisher = node.create_publisher(Float64MultiArray, topic, COMMAND)
        self.publishers: tuple[Publisher, ...] = (self._publisher,)
        self.begin()

    def begin(self) -> None:
        """Hold until the wish moves, and do not send the end of an older window."""
        self._held: float | None = None
        self._moved = False
        self._end: float | None = None

    def prepared(self, window: Window, column: int) -> Callable[[], None]:
        """Make the message of the tick of a window."""
        position = float(window.now.position[0, column])
        end = float(window.positions[-1, column])
        message = Float64MultiArray(data=[position])

        def publish() -> None:
            if self._held is None:
                self._held = position
            self._moved |= position != self._held
            if self._moved:
                self._end = end
                self._publisher.publish(message)

        return publish

    def settle(self) -> bool:
        """Publish the end of the last window, once."""
        end, self._end = self._end, None
        if end is not None:
            self._publisher.publish(Float64MultiArray(data=[end]))
        return True

    def owns(self, goal: bytes) -> bool:
        """There are no goals."""
        return False

    def trouble(self) -> Condition | None:
        """Nothing is known of: the controller does not answer; the joint's tracking shows it."""
        return None

    def absent(self) -> Condition | None:
        """Whether no controller listens."""
        if self._publisher.get_subscription_count() > 0:
            return None
        topic = self._publisher.topic_name
        listeners = self._node.get_subscriptions_info_by_topic(topic)
        others = sorted({info.topic_type for info in listeners} - {_MESSAGE})
        but = f", but somebody does for {' and '.join(others)}" if others else ""
        return missing(f"nobody listens on {topic} for {_MESSAGE}{but}")

    def close(self) -> None:
        """Take the topic away."""
        self._node.destroy_publisher(self._publisher)


def missing(what: str) -> Condition:
    """The condition that a gripper's controller is not there."""
    return (
        FaultCode.GRIPPER_FAILED,
        f"{what}: start the gripper's controller, or correct gripper_type or gripper_output",
    )
