# SPDX-License-Identifier: Apache-2.0
"""A robot whose gripper is moved by goals of an action, as by those of ros2_controllers."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.impl.implementation_singleton import rclpy_implementation
from support.fake_robot import JOINTS, FakeRobot
from support.ros_graph import Graph
from support.waiting import wait_until

ACTIONS = {  # the second as a robot may call it
    "gripper_command": "gripper_controller/gripper_cmd",
    "parallel_gripper_command": "hand/grip",
}
EFFORT = 7.0


def gripper_parameters(kind: str) -> tuple[str, ...]:
    """Parameters of a node whose robot has this type of gripper."""
    return (
        f"gripper_type:={kind}", "gripper_joint:=finger", f"gripper_max_effort:={EFFORT}",
        "joint_limits.finger.max_jump:=0.0",  # it is at its goal at once
    )  # fmt: skip


def figure(policy) -> str:
    """What diagnostics say of the gripper."""
    return policy.client.diagnostics("control")[1].get("gripper", "")


class ActionGripperRobot(FakeRobot):
    """Its finger is at once where the newest goal told it to be, unless `mode` says otherwise.

    Attributes:
        goals: when each came (s, steady clock), and its position (rad).
        requests: the goals themselves.
        cancels: how many cancel requests came.
        mode: "reach", "stall" (aborts as stalled), "fail" (aborts), "reject", "hold" (goes on until
            it is replaced), "silent" (does not answer until `answer` is set).
    """

    arm = JOINTS[:-1]

    def __init__(self, kind: str) -> None:
        import control_msgs.action

        self.kind = kind
        self.name = ACTIONS[kind]
        self.parallel = kind == "parallel_gripper_command"
        self.action = getattr(
            control_msgs.action, "ParallelGripperCommand" if self.parallel else "GripperCommand"
        )
        self.goals: list[tuple[float, float]] = []
        self.requests: list[Any] = []
        self.cancels = 0
        self.mode = "reach"
        self.answer = threading.Event()
        self._finger = 0.0
        self._under_way: Any = None
        super().__init__()
        self._controller_node = Graph("gripper_controller")  # may be silent while the arm moves
        self.client = ActionClient(self.node, self.action, self.name)
        self.serve()

    def serve(self) -> None:
        """Begin to serve, or begin again."""
        self._server = ActionServer(
            self._controller_node.node,
            self.action,
            self.name,
            self._end,
            goal_callback=self._judge,
            handle_accepted_callback=self._accept,
            cancel_callback=self._cancel,
        )

    def align_finger(self) -> None:
        """Put the finger where the arm's joints are: a policy then moves all joints alike."""
        self._finger = float(self._positions[0])
        count = len(self.setpoints)
        wait_until(lambda: len(self.setpoints) > count + 10, 10, "joint states")

    def end_serving(self) -> None:
        """End the server, as a controller does that is deactivated."""
        self._under_way = None
        self._controller_node.run(self._server.destroy)

    def close(self) -> None:
        """End; nothing of an action may stay, for a process cannot have it with another type."""
        self.answer.set()
        wait_until(self.executor.create_task(self.client.destroy).done, 20, "the client's end")
        self.end_serving()
        self._controller_node.close()
        super().close()

    def heal(self) -> None:
        super().heal()
        self.mode = "reach"
        self.answer.set()

    def forget(self) -> None:
        super().forget()
        self.goals.clear()
        self.requests.clear()

    def goal(self, position: float) -> Any:
        """A goal as another client sends it."""
        goal = self.action.Goal()
        if self.parallel:
            goal.command.position = [position]
        else:
            goal.command.position = position
        return goal

    def _sample(self, now: float) -> tuple[np.ndarray, np.ndarray]:
        positions, velocities = super()._sample(now)
        return np.append(positions, self._finger), np.append(velocities, 0.0)

    def _judge(self, request: Any) -> GoalResponse:
        if self.mode == "silent":
            self.answer.wait(20)
        return GoalResponse.REJECT if self.mode == "reject" else GoalResponse.ACCEPT

    def _accept(self, handle: Any) -> None:
        command = handle.request.command
        position = command.position[0] if self.parallel else command.position
        self.goals.append((time.monotonic(), position))
        self.requests.append(handle.request)
        before, self._under_way = self._under_way, handle
        if before is not None:
            # As rclcpp ends a goal that its server lets go; rclpy does so on request only.
            before._update_state(rclpy_implementation.GoalEvent.CANCEL_GOAL)
            before.execute()
        if self.mode != "hold":
            self._under_way = None
            self._finger = position
            handle.execute()

    def _cancel(self, handle: Any) -> CancelResponse:
        self.cancels += 1
        return CancelResponse.REJECT

    def _end(self, handle: Any) -> Any:
        result = self.action.Result()
        if handle.is_cancel_requested:
            handle.canceled()
        elif self.mode in ("fail", "stall"):
            result.stalled = self.mode == "stall"
            handle.abort()
        else:
            result.reached_goal = True
            handle.succeed()
        if self.parallel:
            result.state.position = [self._finger]
        else:
            result.position = self._finger
        return result
