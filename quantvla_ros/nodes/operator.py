# SPDX-License-Identifier: Apache-2.0
"""What a person at the simulated robot does over ROS: instruct, reset the scene, watch."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.parameter import Parameter
from std_msgs.msg import String
from std_srvs.srv import Trigger

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.lifecycle_client import PolicyNodeClient
from quantvla_ros.nodes.qos import LATCHED
from quantvla_ros.nodes.recorder import TopicTap
from quantvla_ros.nodes.service_call import call_service

ANSWER_S = 30.0
"""How long the simulated robot has for an answer."""


class Operator:
    """Publishes instructions, resets the simulated scene, drives the policy node, taps topics."""

    def __init__(self, topics: Mapping[str, tuple[str, ...]]) -> None:
        """Remember the topics to watch (see `TopicTap`)."""
        self._tap = TopicTap(topics, "operator")
        self._state: dict[str, Any] = {}
        self._changed = threading.Condition()

    def __enter__(self) -> Operator:
        """Join the ROS graph."""
        self._tap.__enter__()
        node = self._tap.node
        group = ReentrantCallbackGroup()
        self.policy = PolicyNodeClient(node)
        self._instruction = node.create_publisher(String, "/instruction", LATCHED)
        self._reset = node.create_client(Trigger, "/sim_robot_node/reset", callback_group=group)
        self._set_parameters = node.create_client(
            SetParameters, "/sim_robot_node/set_parameters", callback_group=group
        )
        node.create_subscription(
            String, "/sim/state", self._on_state, LATCHED, callback_group=group
        )
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the ROS graph."""
        self._tap.__exit__(*exception)

    @property
    def tap(self) -> TopicTap:
        """The tap on the watched topics."""
        return self._tap

    @property
    def state(self) -> Mapping[str, Any]:
        """The newest state of the simulation; empty before the first."""
        return self._state

    def instruct(self, text: str) -> None:
        """Publish an instruction; an empty one makes the arm hold."""
        self._instruction.publish(String(data=text))

    def choose_scene(self, seed: int) -> None:
        """Make `seed` that of the next reset.

        Raises:
            QuantVLAError: the simulated robot does not answer or refuses.
        """
        self._set("seed", seed)

    def silence(self, source: str, silent: bool) -> None:
        """Let a source of the simulated robot (a camera, joint_states) fall silent, or speak again.

        Raises:
            QuantVLAError: the simulated robot does not answer or refuses.
        """
        self._set(f"silence_{source}", silent)

    def misplace(self, offset: float) -> None:
        """Let every joint of the simulated robot be told `offset` (rad or m) from where it is.

        Raises:
            QuantVLAError: the simulated robot does not answer or refuses.
        """
        self._set("joint_offset", offset)

    def _set(self, name: str, value: float) -> None:
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        if not call_service(self._set_parameters, request, ANSWER_S).results[0].successful:
            raise QuantVLAError(f"The simulated robot refused a new value of '{name}'.")

    def reset_scene(self, timeout_s: float = ANSWER_S) -> Mapping[str, Any]:
        """Reset the scene to the next seed; return the state of the new scene.

        Raises:
            QuantVLAError: the simulated robot does not answer or refuses.
        """
        resets = self._state.get("resets", 0)
        if not call_service(self._reset, Trigger.Request(), timeout_s).success:
            raise QuantVLAError("The simulated robot did not reset its scene.")
        return self.wait_for_state(lambda state: state.get("resets", 0) > resets, timeout_s)

    def wait_for_state(self, predicate: Any, timeout_s: float) -> Mapping[str, Any]:
        """Wait until the simulation's state satisfies the predicate; return it.

        Raises:
            QuantVLAError: it does not in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not (self._state and predicate(self._state)):
                if not self._changed.wait(deadline - time.monotonic()):
                    raise QuantVLAError(
                        f"Nothing suitable arrived on '/sim/state' for {timeout_s:.0f} s; "
                        "is the simulated robot running?"
                    )
            return dict(self._state)

    def _on_state(self, message: String) -> None:
        with self._changed:
            self._state = json.loads(message.data)
            self._changed.notify_all()
