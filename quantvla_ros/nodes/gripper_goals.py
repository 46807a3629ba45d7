# SPDX-License-Identifier: Apache-2.0
"""One goal at a time of a gripper's action, sent and watched by the executor's threads.

The controllers of ros2_controllers accept each goal at once and let it replace the one before. To
cancel a goal makes them hold the measured position, which loosens a grip, so no goal is cancelled
here: a newer one replaces it.
"""

from __future__ import annotations

import functools
import math
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Any

from action_msgs.msg import GoalStatus
from rclpy.action.client import ActionClient
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from unique_identifier_msgs.msg import UUID

from quantvla_ros.nodes.gripper_messages import GripperMessages

_REMEMBERED = 64  # own goals; a controller has a few under way at most


class GoalStage(Enum):
    """What became of the newest goal."""

    NONE = "no goal"
    ASKED = "asked"
    MOVING = "moving"
    REACHED = "reached"
    HOLDING = "stopped by what it holds"
    REJECTED = "rejected"
    FAILED = "failed"
    TAKEN = "cancelled or replaced by another client"


@dataclass(frozen=True)
class GoalReport:
    """The newest goal: its stage, where it was to go and is (m or rad), when it was sent (s)."""

    stage: GoalStage = GoalStage.NONE
    goal: float = math.nan
    position: float = math.nan
    sent_at: float = -math.inf


class GripperGoals:
    """Client of the action; lives as long as the node, for rclpy cannot end one while it spins.

    rclpy loses an answer that comes while the request is still being noted. So requests are made
    in the callback group that takes the answers, and the other threads only ask for them.
    """

    def __init__(self, node: Node, messages: GripperMessages, name: str) -> None:
        """Create the client."""
        self.action = node.resolve_topic_name(name, only_expand=True)
        self.type_name = messages.name
        self._node = node
        self._messages = messages
        group = MutuallyExclusiveCallbackGroup()
        self._client = ActionClient(node, messages.action, name, callback_group=group)
        self._guard = node.create_guard_condition(self._work, callback_group=group)
        self._lock = threading.Lock()
        self._next: tuple[float, Any] | None = None
        self._accepted: Any = None
        self._current = b""
        self._own: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._report = GoalReport()

    @property
    def report(self) -> GoalReport:
        """The newest goal."""
        return self._report

    @property
    def there(self) -> bool:
        """Whether the action has a server; asks the graph."""
        return bool(self._client.server_is_ready())

    def owns(self, goal: bytes) -> bool:
        """Whether a goal was sent from here."""
        with self._lock:
            return goal in self._own

    def forget(self) -> None:
        """Ignore the results of the goals sent until now."""
        with self._lock:
            self._next, self._current, self._report = None, b"", GoalReport()

    def other_types(self) -> list[str]:
        """Types of action that servers or clients have under this name in place of ours."""
        for service, types in self._node.get_service_names_and_types():
            if service == self.action + "/_action/send_goal":
                found = [name.removesuffix("_SendGoal") for name in types]
                return [name for name in found if name != self._messages.name]
        return []

    def send(self, joint: str, position: float, max_effort: float) -> None:
        """Let the executor send a goal (m or rad; N or N m) soon; any thread may call it."""
        goal = self._messages.goal(joint, position, max_effort)
        with self._lock:
            self._next = (position, goal)
            self._current = b""
            self._report = GoalReport(GoalStage.ASKED, position, sent_at=time.monotonic())
        self._guard.trigger()

    def _work(self) -> None:
        with self._lock:
            wanted, self._next = self._next, None
            accepted, self._accepted = self._accepted, None
            if wanted is not None:
                number = uuid.uuid4().bytes
                self._current = number
                self._own.append(number)  # before its status can come
        if accepted is not None:
            handle, of = accepted
            done = handle.get_result_async()
            done.add_done_callback(functools.partial(self._on_result, of))
        if wanted is not None:
            answered = self._client.send_goal_async(wanted[1], goal_uuid=UUID(uuid=list(number)))
            answered.add_done_callback(functools.partial(self._on_answer, number))

    def _on_answer(self, number: bytes, future: Any) -> None:
        handle = future.result()
        if not handle.accepted:
            self._note(number, GoalStage.REJECTED)
            return
        self._note(number, GoalStage.MOVING)
        with self._lock:
            self._accepted = (handle, number)
        self._guard.trigger()

    def _on_result(self, number: bytes, future: Any) -> None:
        response = future.result()
        result = self._messages.read(response.result)
        if response.status == GoalStatus.STATUS_CANCELED:
            self._note(number, GoalStage.TAKEN)
        elif result.stalled:  # the controllers call that success or an abortion, by a parameter
            self._note(number, GoalStage.HOLDING, result.position)
        elif response.status == GoalStatus.STATUS_SUCCEEDED:
            self._note(number, GoalStage.REACHED, result.position)
        else:
            self._note(number, GoalStage.FAILED, result.position)

    def _note(self, number: bytes, stage: GoalStage, position: float = math.nan) -> None:
        """Note what became of a goal, unless a newer one has replaced it."""
        with self._lock:
            if number == self._current:
                before = self._report
                self._report = GoalReport(stage, before.goal, position, before.sent_at)
