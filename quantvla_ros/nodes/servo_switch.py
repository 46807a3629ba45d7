# SPDX-License-Identifier: Apache-2.0
"""The service by which MoveIt Servo is told which kind of command it gets."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rclpy.callback_groups import ReentrantCallbackGroup

from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from rclpy.node import Node

TWIST = 1  # ServoCommandType.Request.TWIST
ANSWER_S = 2.0


class ServoSwitch:
    """Calls a service of type moveit_msgs/ServoCommandType."""

    def __init__(self, node: Node, service: str) -> None:
        """Create the client; the node's executor must have a thread for its answers.

        Raises:
            QuantVLAError: moveit_msgs is not installed.
        """
        try:
            from moveit_msgs.srv import ServoCommandType
        except ImportError as error:
            raise QuantVLAError(
                f"Parameter 'servo_switch_service' is '{service}' and moveit_msgs is not installed:"
                " install it (ros-<distribution>-moveit-msgs), or leave the parameter empty and "
                "switch Servo to twists yourself."
            ) from error
        self._node = node
        self._service = service
        self._request = ServoCommandType.Request(command_type=TWIST)
        self._client = node.create_client(
            ServoCommandType, service, callback_group=ReentrantCallbackGroup()
        )

    def to_twists(self) -> None:
        """Switch to twists and wait for the answer; not from the only thread of the executor.

        Raises:
            QuantVLAError: there is no such service, it does not answer, or it refuses.
        """
        if not self._client.wait_for_service(ANSWER_S):
            raise QuantVLAError(
                f"Cannot arm: there is no service '{self._service}'; start MoveIt Servo or correct "
                "servo_switch_service."
            )
        answered = threading.Event()
        future = self._client.call_async(self._request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(ANSWER_S):
            raise QuantVLAError(
                f"Cannot arm: '{self._service}' did not answer in {ANSWER_S:g} s; look at Servo."
            )
        if not future.result().success:
            raise QuantVLAError(f"Cannot arm: '{self._service}' refuses twists; look at Servo.")

    def close(self) -> None:
        """Take the client away."""
        self._node.destroy_client(self._client)
