# SPDX-License-Identifier: Apache-2.0
"""The simulated gripper's own controller on ROS: a topic of positions, or one of two actions."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.action.server import ActionServer, CancelResponse, GoalResponse
from std_msgs.msg import Float64MultiArray

from quantvla_ros.nodes import qos
from quantvla_ros.nodes.gripper_messages import GripperMessages
from quantvla_ros.robot.gripper_types import DEFAULT_NAMES, ActionType, GripperType
from simulation.gripper_goal import GoalEnd, GripperGoal

if TYPE_CHECKING:
    from rclpy.node import Node

    from simulation.robot import SimulatedRobot

Submit = Callable[[float], str | None]
"""Takes a position in m; returns why it is refused, None when it is not."""


class ForwardController:
    """Takes std_msgs/Float64MultiArray with one value, as a forward_command_controller does."""

    def __init__(self, node: Node, submit: Submit) -> None:
        """Listen."""
        self._node = node
        self._submit = submit
        name = DEFAULT_NAMES["forward_command"]
        node.create_subscription(Float64MultiArray, name, self._receive, qos.COMMAND)

    def update(self, robot: SimulatedRobot, now: float) -> None:
        """Do nothing: `_receive` has taken the position."""

    def reset(self) -> None:
        """Do nothing: no goal is under way."""

    def _receive(self, message: Float64MultiArray) -> None:
        if len(message.data) == 1:
            reason = self._submit(message.data[0])
        else:
            reason = f"{len(message.data)} values for one joint"
        if reason is not None:
            self._node.get_logger().error(
                f"gripper command rejected: {reason}", throttle_duration_sec=1.0
            )


class GripperController:
    """Serves an action of control_msgs: a new goal replaces the one before it.

    A goal is executed, in the sense of rclpy, at its end only: a callback that waits for the
    physics would keep the executor busy all the while.
    """

    def __init__(
        self, node: Node, kind: ActionType, joint: str, submit: Submit, now: Callable[[], float]
    ) -> None:
        """Serve.

        Raises:
            QuantVLAError: control_msgs is not installed.
        """
        self._node = node
        self._messages = GripperMessages(kind)
        self._joint = joint
        self._submit = submit
        self._now = now
        self._position = math.nan
        self._lock = threading.Lock()
        self._under_way: tuple[Any, GripperGoal] | None = None
        self._server = ActionServer(
            node,
            self._messages.action,
            DEFAULT_NAMES[kind],
            self._abort,
            goal_callback=self._judge,
            handle_accepted_callback=self._begin,
            cancel_callback=self._cancel,
        )

    def update(self, robot: SimulatedRobot, now: float) -> None:
        """Judge the goal under way by the robot's last joint at ``now`` (s)."""
        self._position = float(robot.positions[-1])
        with self._lock:
            if self._under_way is None:
                return
            handle, goal = self._under_way
            end = goal.check(self._position, float(robot.velocities[-1]), now)
            if end is not None:
                self._under_way = None
        if end is not None:
            handle.execute(lambda ended: self._finish(ended, end))

    def reset(self) -> None:
        """Give up the goal under way."""
        self._replace(None)

    def _judge(self, request: Any) -> GoalResponse:
        if math.isnan(self._messages.wished(request)):
            self._node.get_logger().error("gripper goal rejected: it has no single position")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _begin(self, handle: Any) -> None:
        position = self._messages.wished(handle.request)
        self._replace((handle, GripperGoal(position, self._now())))
        self._submit(position)

    def _cancel(self, handle: Any) -> CancelResponse:
        with self._lock:
            ours = self._under_way is not None and self._under_way[0] == handle
            if ours:
                self._under_way = None
        if ours:
            self._submit(self._position)  # it holds where it is, and may lose what it holds
            handle.execute()
        return CancelResponse.ACCEPT

    def _replace(self, new: tuple[Any, GripperGoal] | None) -> None:
        with self._lock:
            before, self._under_way = self._under_way, new
        if before is not None:
            before[0].execute()

    def _abort(self, handle: Any) -> Any:
        """End a goal that another one has replaced, or that was cancelled."""
        if handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()  # a real one says CANCELED, which rclpy allows after a request only
        return self._result(stalled=False, reached=False)

    def _finish(self, handle: Any, end: GoalEnd) -> Any:
        if end is GoalEnd.REACHED:
            handle.succeed()
        else:
            handle.abort()
        reached = end is GoalEnd.REACHED
        return self._result(stalled=not reached, reached=reached)

    def _result(self, stalled: bool, reached: bool) -> Any:
        return self._messages.result(self._joint, self._position, stalled, reached)


def serve_gripper(
    node: Node, kind: GripperType, joint: str, submit: Submit, now: Callable[[], float]
) -> ForwardController | GripperController | None:
    """Make the controller of the gripper; None where it is in the trajectory.

    Raises:
        QuantVLAError: control_msgs is not installed.
    """
    if kind == "trajectory":
        return None
    if kind == "forward_command":
        return ForwardController(node, submit)
    return GripperController(node, kind, joint, submit, now)
