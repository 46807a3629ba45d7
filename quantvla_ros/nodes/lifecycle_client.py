# SPDX-License-Identifier: Apache-2.0
"""Drive a policy node by plain service calls: transitions, arming, leaving a fault."""

from __future__ import annotations

import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import SetBool, Trigger

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.qos import DIAGNOSTICS
from quantvla_ros.nodes.service_call import call_service

_POLL_S = 0.02
_HINT = "is the policy node running, with the same ROS_DOMAIN_ID?"


class PolicyNodeClient:
    """Calls the services of one policy node and keeps its newest diagnostics.

    The calls block, so the given node must be spun by an executor in another thread.
    """

    def __init__(self, node: Node, target: str = "/policy_node", timeout_s: float = 10.0) -> None:
        """Create the clients.

        Args:
            node: any node of this process.
            target: full name of the policy node.
            timeout_s: longest wait for an answer; configure may take a call of its own.
        """
        self._target = "/" + target.strip("/")
        self._timeout = timeout_s
        self._node = node
        group = ReentrantCallbackGroup()

        def client(kind: Any, name: str) -> Client:
            return node.create_client(kind, f"{self._target}/{name}", callback_group=group)

        self._change = client(ChangeState, "change_state")
        self._get = client(GetState, "get_state")
        self._arm = client(SetBool, "arm")
        self._reset = client(Trigger, "reset_fault")
        self._statuses: dict[str, DiagnosticStatus] = {}
        self._subscription = node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            self._on_diagnostics,
            DIAGNOSTICS,
            callback_group=group,
        )

    def state(self) -> str:
        """Return the lifecycle state: unconfigured, inactive, active, finalized ...

        Raises:
            QuantVLAError: no answer in time (so do all calls below).
        """
        return str(self._call(self._get, GetState.Request(), self._timeout).current_state.label)

    def configure(self, timeout_s: float = 180.0) -> None:
        """Configure the node; its policy is loaded and warmed up.

        Raises:
            QuantVLAError: the node refuses; the sentence gives its reason.
        """
        self._transition("configure", timeout_s)

    def activate(self) -> None:
        """Activate the node; it is then in dry run."""
        self._transition("activate", self._timeout)

    def deactivate(self) -> None:
        """Bring the arm to rest and deactivate the node."""
        self._transition("deactivate", self._timeout)

    def cleanup(self) -> None:
        """Take the node back to unconfigured; the inference process ends."""
        self._transition("cleanup", self._timeout)

    def shutdown(self) -> None:
        """Take the node to its final state from whichever it is in."""
        self._transition("shutdown", self._timeout)

    def arm(self, armed: bool = True) -> None:
        """Arm the node, or go back to dry run.

        Raises:
            QuantVLAError: the node refuses; the sentence gives its reason.
        """
        answer = self._call(self._arm, SetBool.Request(data=armed), self._timeout)
        if not answer.success:
            raise QuantVLAError(str(answer.message))

    def rest(self) -> None:
        """Go back to dry run, or stay in a latched fault, and wait until the arm rests.

        Raises:
            QuantVLAError: it does not in time.
        """
        deadline = time.monotonic() + self._timeout
        self._statuses.clear()
        self.arm(False)
        while self.diagnostics("control")[1].get("at_rest") != "True":
            if time.monotonic() > deadline:
                raise QuantVLAError(
                    f"The arm of {self._target} does not come to rest within {self._timeout:.0f} s."
                )
            time.sleep(_POLL_S)

    def reset_fault(self, timeout_s: float = 180.0) -> None:
        """Leave a latched fault; a dead inference process is started again.

        Raises:
            QuantVLAError: the node refuses; the sentence gives its reason.
        """
        answer = self._call(self._reset, Trigger.Request(), timeout_s)
        if not answer.success:
            raise QuantVLAError(str(answer.message))

    def diagnostics(self, check: str) -> tuple[str, dict[str, str]]:
        """Return message and values of one check (control, inference, inputs, bundle).

        Both are empty before the first message.
        """
        status = self._statuses.get(check)
        if status is None:
            return "", {}
        return status.message, {pair.key: pair.value for pair in status.values}

    def close(self) -> None:
        """Remove the clients and the subscription from the node."""
        for client in (self._change, self._get, self._arm, self._reset):
            self._node.destroy_client(client)
        self._node.destroy_subscription(self._subscription)

    def _transition(self, label: str, timeout_s: float) -> None:
        request = ChangeState.Request()
        request.transition.label = label
        self._statuses.clear()
        answer = self._call(self._change, request, timeout_s)
        if not answer.success:
            raise QuantVLAError(f"{self._target} refused to {label}: {self._reason()}")

    def _reason(self) -> str:
        # The answer of a transition carries no text; the node publishes it before it answers,
        # on another topic, so it may arrive a little later.
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            for status in list(self._statuses.values()):
                if status.level == DiagnosticStatus.ERROR:
                    return str(status.message)
            time.sleep(_POLL_S)
        return "see the node's log."

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            if status.hardware_id == self._target:
                self._statuses[status.name.rsplit(": ", 1)[-1]] = status

    def _call(self, client: Client, request: Any, timeout_s: float) -> Any:
        return call_service(client, request, timeout_s, self._timeout, _HINT)
