# SPDX-License-Identifier: Apache-2.0
"""MoveIt Servo before arming: does it accept this node's twists, and is it in that mode.

Humble's Servo takes them once it was started (``start_servo``). Since Jazzy a service sets its
kind of command (``switch_command_type``), and rests while it is paused (``pause_servo``).
"""

from __future__ import annotations

import time
from typing import Any

from rcl_interfaces.srv import GetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from std_srvs.srv import SetBool, Trigger

from quantvla_ros.control.twist import TwistLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.graph_names import subscription_names
from quantvla_ros.nodes.service_call import call_service
from quantvla_ros.serving.servo_check import SERVO_PARAMETERS, unfit

TWIST = 1  # ServoCommandType.Request.TWIST
ANSWER_S = 2.0
_POLL_S = 0.05
_START, _SWITCH, _PAUSE = "start_servo", "switch_command_type", "pause_servo"


class MoveItServo:
    """Reads and sets parameters of MoveIt Servo's node; answers need an executor's thread."""

    def __init__(self, node: Node, name: str, topic: str, limits: TwistLimits) -> None:
        """Take who asks; nothing is asked yet.

        Args:
            node: the policy node.
            name: full name of Servo's node.
            topic: full name of the topic on which the twists go out.
            limits: of the twists.
        """
        self._node = node
        self._name = "/" + name.strip("/")
        self._topic = topic
        self._limits = limits
        self._clients: dict[str, Client] = {}

    def take_twists(self) -> None:
        """Check Servo, tell it to take twists, and wait; not from the executor's only thread.

        Raises:
            QuantVLAError: there is no Servo of this name, it does not fit the node's twists, it
                does not answer, it refuses, or a package is not installed.
        """
        services = self._services()
        since_jazzy = _SWITCH in services
        if not since_jazzy and _START not in services:
            raise QuantVLAError(
                f"Cannot arm: there is neither a service '{self._name}/{_SWITCH}' nor "
                f"'{self._name}/{_START}'; start MoveIt Servo or correct 'servo_node'."
            )
        self._check_topic()
        trouble = unfit(self._parameters(), self._limits, self._simulated(), since_jazzy)
        if trouble is not None:
            raise QuantVLAError(f"Cannot arm: '{self._name}' does not fit: {trouble}.")
        if not since_jazzy:
            self._tell(Trigger, _START, Trigger.Request())
            return
        kind = _command_type(self._name)
        self._tell(kind, _SWITCH, kind.Request(command_type=TWIST))
        if "std_srvs/srv/SetBool" in services.get(_PAUSE, ()):
            self._tell(SetBool, _PAUSE, SetBool.Request(data=False))

    def close(self) -> None:
        """Take the clients away."""
        while self._clients:
            self._node.destroy_client(self._clients.popitem()[1])

    def _simulated(self) -> bool:
        return bool(self._node.get_parameter("use_sim_time").value)

    def _services(self) -> dict[str, list[str]]:
        """Name below Servo's own -> types; waits until one of those wanted is there."""
        deadline = time.monotonic() + ANSWER_S
        namespace, _, name = self._name.rpartition("/")
        while True:
            try:
                # Of the whole graph they would hold those too of which there are clients only.
                offered = self._node.get_service_names_and_types_by_node(name, namespace or "/")
            except Exception:  # no such node (yet); the type is no part of rclpy's interface
                offered = []
            found = {service.removeprefix(f"{self._name}/"): types for service, types in offered}
            if _SWITCH in found or _START in found or time.monotonic() > deadline:
                return found
            time.sleep(_POLL_S)

    def _check_topic(self) -> None:
        deadline = time.monotonic() + ANSWER_S
        while self._name not in subscription_names(self._node, self._topic):
            if time.monotonic() > deadline:
                raise QuantVLAError(
                    f"Cannot arm: '{self._name}' does not listen on {self._topic}: remap 'twist' "
                    f"to its topic, such as {self._name}/delta_twist_cmds."
                )
            time.sleep(_POLL_S)

    def _parameters(self) -> dict[str, Any]:
        """Those that Servo has; none where it declares others."""
        request = GetParameters.Request(names=list(SERVO_PARAMETERS))
        values = self._call(GetParameters, "get_parameters", request).values
        if len(values) != len(SERVO_PARAMETERS):
            return {}  # rclcpp's answer when one of them is not declared
        found = zip(SERVO_PARAMETERS, map(parameter_value_to_python, values), strict=True)
        return {name: value for name, value in found if value is not None}

    def _tell(self, kind: Any, service: str, request: Any) -> None:
        answer = self._call(kind, service, request)
        if not answer.success:
            why = getattr(answer, "message", "") or "look at Servo's log"
            raise QuantVLAError(f"Cannot arm: '{self._name}/{service}' refuses: {why}.")

    def _call(self, kind: Any, service: str, request: Any) -> Any:
        name = f"{self._name}/{service}"
        if service not in self._clients:
            self._clients[service] = self._node.create_client(
                kind, name, callback_group=ReentrantCallbackGroup()
            )
        try:
            return call_service(self._clients[service], request, ANSWER_S)
        except QuantVLAError as error:
            raise QuantVLAError(
                f"Cannot arm: '{name}' did not answer in {ANSWER_S:g} s; look at Servo's log (it "
                "waits for joint states, for instance)."
            ) from error


def _command_type(name: str) -> Any:
    try:
        from moveit_msgs.srv import ServoCommandType
    except ImportError as error:
        raise QuantVLAError(
            f"Cannot arm: '{name}/{_SWITCH}' is of type moveit_msgs/ServoCommandType, and "
            "moveit_msgs is not installed for this node: install it "
            "(ros-<distribution>-moveit-msgs), or leave 'servo_node' empty and switch Servo to "
            "twists yourself."
        ) from error
    return ServoCommandType
