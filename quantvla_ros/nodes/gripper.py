# SPDX-License-Identifier: Apache-2.0
"""A gripper that is not a joint of the arm's trajectory: its command on a topic of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from std_msgs.msg import Float64

from quantvla_ros.control.window import Window
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.qos import COMMAND

if TYPE_CHECKING:
    from rclpy.node import Node

TOPIC = "gripper_command"
GripperType = Literal["float64", "gripper_command"]


class GripperOutput:
    """Publishes the position that one joint is to have, m or rad, at every control tick.

    Attributes:
        joint: its name.
        publisher: of the commands.
    """

    def __init__(self, node: Node, joint: str, kind: GripperType) -> None:
        """Create the publisher.

        Args:
            node: publishes.
            joint: of the gripper.
            kind: "float64" (std_msgs/Float64) or "gripper_command" (control_msgs/GripperCommand,
                with no limit of effort).

        Raises:
            QuantVLAError: control_msgs is not installed.
        """
        self.joint = joint
        self._node = node
        self._message = _message_maker(kind)
        self._end: float | None = None
        self.publisher = node.create_publisher(type(self._message(0.0)), TOPIC, COMMAND)

    def prepared(self, window: Window, column: int) -> Callable[[], None]:
        """Make the command for the first point of a window; calling the result publishes it."""
        message = self._message(float(window.positions[0, column]))
        end = float(window.positions[-1, column])

        def publish() -> None:
            self._end = end
            self.publisher.publish(message)

        return publish

    def settle(self) -> None:
        """Send the end of the last window, once: the arm goes there without another command."""
        end, self._end = self._end, None
        if end is not None:
            self.publisher.publish(self._message(end))

    def forget(self) -> None:
        """Do not send the end of an older window."""
        self._end = None

    def close(self) -> None:
        """Take the topic away."""
        self._node.destroy_publisher(self.publisher)


def _message_maker(kind: GripperType) -> Callable[[float], Any]:
    if kind == "float64":
        return lambda position: Float64(data=position)
    try:
        from control_msgs.msg import GripperCommand
    except ImportError as error:
        raise QuantVLAError(
            "Parameter 'gripper_type' is 'gripper_command' and control_msgs is not installed: "
            "install it (ros-<distribution>-control-msgs) or choose 'float64'."
        ) from error
    return lambda position: GripperCommand(position=position, max_effort=0.0)
