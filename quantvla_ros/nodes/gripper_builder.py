# SPDX-License-Identifier: Apache-2.0
"""From what a gripper's controller takes to a gripper that commands it."""

from __future__ import annotations

from rclpy.exceptions import InvalidTopicNameException
from rclpy.node import Node
from rclpy.validate_topic_name import validate_topic_name

from quantvla_ros.control.goal_pacing import GoalPacer
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.gripper import ForwardGripper, Gripper
from quantvla_ros.nodes.gripper_action import ActionGripper
from quantvla_ros.nodes.gripper_goals import GripperGoals
from quantvla_ros.nodes.gripper_messages import GripperMessages
from quantvla_ros.robot.gripper_types import DEFAULT_NAMES, ActionType
from quantvla_ros.serving.gripper_setup import GripperSetup
from quantvla_ros.serving.parameter_model import PolicyNodeParameters


class GripperBuilder:
    """Builds one gripper after another; a client of an action lives as long as the node."""

    def __init__(self, node: Node) -> None:
        """Take the node that commands."""
        self._node = node
        self._goals: dict[str, tuple[ActionType, GripperGoals]] = {}

    def build(
        self, setup: GripperSetup, parameters: PolicyNodeParameters, limits: JointLimits
    ) -> Gripper:
        """Make a gripper.

        Args:
            setup: joint, and what its controller takes.
            parameters: of the node.
            limits: of the action's joints.

        Raises:
            QuantVLAError: a parameter does not fit, or control_msgs is not installed.
        """
        joint, kind, name = setup.joint, setup.kind, setup.output
        try:
            validate_topic_name(name)
        except InvalidTopicNameException:
            raise QuantVLAError(
                f"Parameter 'gripper_output' is '{name}', which is no ROS name: give one such as "
                f"'{DEFAULT_NAMES[kind]}'."
            ) from None
        if kind == "forward_command":
            return ForwardGripper(self._node, joint, name)
        k = limits.names.index(joint)
        joint_range = float(limits.upper[k] - limits.lower[k])
        if joint_range == float("inf"):
            raise QuantVLAError(
                f"Parameter 'gripper_type' is '{kind}' and the gripper's joint '{joint}' has no "
                "position limits: give it some in the URDF."
            )
        return ActionGripper(
            self._client(kind, name),
            joint,
            GoalPacer(joint_range, 1.0 / parameters.gripper_goal_rate_hz),
            parameters.gripper_max_effort,
        )

    def _client(self, kind: ActionType, name: str) -> GripperGoals:
        if name not in self._goals:
            self._goals[name] = kind, GripperGoals(self._node, GripperMessages(kind), name)
        before, goals = self._goals[name]
        if before != kind:
            raise QuantVLAError(
                f"Parameter 'gripper_type' is '{kind}' and was '{before}' before for the same "
                f"action '{name}', which keeps its type as long as the node: start the node again."
            )
        return goals
