# SPDX-License-Identifier: Apache-2.0
"""The two actions of control_msgs that grippers take: goals, results and their names."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.gripper_types import ActionType

_TYPES: dict[ActionType, str] = {
    "gripper_command": "GripperCommand",
    "parallel_gripper_command": "ParallelGripperCommand",
}


@dataclass(frozen=True)
class GripperResult:
    """How a goal ended: position of the joint (m or rad; NaN: not said), and whether it held."""

    position: float
    stalled: bool


class GripperMessages:
    """Goals and results of one of the two actions.

    Attributes:
        action: the action's class.
        name: of the type, such as control_msgs/action/GripperCommand.
    """

    def __init__(self, kind: ActionType) -> None:
        """Import the action that the parameter `gripper_type` names.

        Raises:
            QuantVLAError: control_msgs is not installed, or is one without this action.
        """
        name = _TYPES[kind]
        self.name = f"control_msgs/action/{name}"
        self._parallel = kind == "parallel_gripper_command"
        try:
            self.action: Any = getattr(importlib.import_module("control_msgs.action"), name)
        except (ImportError, AttributeError) as error:
            raise QuantVLAError(
                f"Parameter 'gripper_type' is '{kind}' and {self.name} is not installed: install "
                "it (ros-<distribution>-control-msgs), or choose 'forward_command'."
            ) from error

    def goal(self, joint: str, position: float, max_effort: float) -> Any:
        """Make a goal.

        Args:
            joint: of the gripper; only ParallelGripperCommand says it.
            position: of the joint, m or rad.
            max_effort: N or N m; 0 leaves it to the controller where the action allows that.
        """
        goal = self.action.Goal()
        if self._parallel:
            goal.command.name, goal.command.position = [joint], [position]
            goal.command.effort = [max_effort] if max_effort > 0 else []
        else:
            goal.command.position, goal.command.max_effort = position, max_effort
        return goal

    def wished(self, goal: Any) -> float:
        """Position that a goal asks for; NaN where it does not name exactly one."""
        if not self._parallel:
            return float(goal.command.position)
        return float(goal.command.position[0]) if len(goal.command.position) == 1 else math.nan

    def result(self, joint: str, position: float, stalled: bool, reached: bool) -> Any:
        """Make a result, as the controller of this joint sends it."""
        result = self.action.Result(stalled=stalled, reached_goal=reached)
        if self._parallel:
            result.state.name, result.state.position = [joint], [position]
        else:
            result.position = position
        return result

    def read(self, result: Any) -> GripperResult:
        """Read a result."""
        if not self._parallel:
            return GripperResult(float(result.position), bool(result.stalled))
        positions = result.state.position
        position = float(positions[0]) if len(positions) else math.nan
        return GripperResult(position, bool(result.stalled))
