# SPDX-License-Identifier: Apache-2.0
"""MoveIt Servo as the graph shows it: its services, parameters and topic; it moves nothing."""

from __future__ import annotations

import sys
import types

from executor_thread import ExecutorThread
from geometry_msgs.msg import TwistStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

PARAMETERS = {
    "moveit_servo.command_in_type": "speed_units",
    "moveit_servo.scale.linear": 0.4,
    "moveit_servo.scale.rotational": 1.2,
    "moveit_servo.incoming_command_timeout": 0.1,
}


class FakeServo:
    """Notes what it is told, as `told`.

    The wheels have no moveit_msgs: the switch is of type SetBool, see `install_moveit_msgs`.
    """

    def __init__(self, release: str, topic: str = "~/delta_twist_cmds", **changes) -> None:
        self.told: list[str] = []
        self.refuses = False
        self.node = Node("servo_node")
        for name, value in PARAMETERS.items():
            if name not in changes.get("without", ()):
                self.node.declare_parameter(name, changes.get(name.rpartition(".")[2], value))
        self.node.create_subscription(TwistStamped, topic, lambda _: None, 10)
        services = {
            "humble": [(Trigger, "start_servo"), (Trigger, "pause_servo")],
            "jazzy": [(SetBool, "switch_command_type"), (SetBool, "pause_servo")],
        }
        for kind, name in services[release]:
            self.node.create_service(kind, f"~/{name}", self._answer(name))
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = ExecutorThread(self._executor)

    def close(self) -> None:
        self._thread.end()
        self.node.destroy_node()

    def _answer(self, name):
        def answer(request, response):
            self.told.append(f"{name} {getattr(request, 'data', '')}".strip())
            response.success = not self.refuses
            return response

        return answer


class _Command(type(SetBool.Request)):
    """Of a request that is made from `command_type`; 1 (TWIST) becomes true."""

    def __call__(cls, command_type):
        return SetBool.Request(data=command_type == 1)

    def __instancecheck__(cls, request):
        return isinstance(request, SetBool.Request)


class _Request(metaclass=_Command):
    pass


class ServoCommandType(metaclass=type(SetBool)):
    """moveit_msgs/ServoCommandType, as a SetBool on the wire."""

    Request, Response, Event = _Request, SetBool.Response, SetBool.Event


def install_moveit_msgs(monkeypatch) -> None:
    """Let `from moveit_msgs.srv import ServoCommandType` succeed."""
    services = types.SimpleNamespace(ServoCommandType=ServoCommandType)
    monkeypatch.setitem(sys.modules, "moveit_msgs", types.SimpleNamespace(srv=services))
    monkeypatch.setitem(sys.modules, "moveit_msgs.srv", services)
