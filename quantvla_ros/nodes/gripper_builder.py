# SPDX-License-Identifier: Apache-2.0
"""From the parameters and a bundle's actions to the gripper that they mean."""

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
from quantvla_ros.robot.interface import Interface
from quantvla_ros.serving.gripper_types import DEFAULT_NAMES, ActionType
from quantvla_ros.serving.parameter_model import PolicyNodeParameters


class GripperBuilder:
    """Builds one gripper after another; a client of an action lives as long as the node."""

    def __init__(self, node: Node) -> None:
        """Take the node that commands."""
        self._node = node
        self._goals: dict[str, tuple[ActionType, GripperGoals]] = {}

    def build(
        self, interface: Interface, parameters: PolicyNodeParameters, limits: JointLimits
    ) -> Gripper | None:
        """Make the gripper; None where it is in the trajectory, or there is none.

        Args:
            interface: of the bundle.
            parameters: of the node.
            limits: of the action's joints.

        Raises:
            QuantVLAError: a parameter does not fit the bundle or another one, or control_msgs is
                not installed.
        """
        joint = _joint(interface, parameters)
        if joint is None:
            return None
        kind = parameters.gripper_type
        assert kind != "trajectory"  # `_joint` saw it
        name = parameters.gripper_output or DEFAULT_NAMES[kind]
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


def _joint(interface: Interface, parameters: PolicyNodeParameters) -> str | None:
    """The joint that is commanded apart from the others, None for none.

    Raises:
        QuantVLAError: the parameters do not fit the bundle or each other.
    """
    joints, kind, given = interface.action.joints, parameters.gripper_type, parameters.gripper_joint
    if interface.action.moves_tip:
        if joints and kind == "trajectory":
            raise QuantVLAError(
                f"The policy moves the tip and the gripper's joint '{joints[0]}', and parameter "
                "'gripper_type' is 'trajectory', which it has none of: say what the gripper's "
                "controller takes."
            )
        if given and given not in joints:
            raise QuantVLAError(
                f"Parameter 'gripper_joint' is '{given}' and the policy commands "
                f"{', '.join(joints) or 'no gripper'}; leave it empty."
            )
        return joints[0] if joints else None
    if given and (given not in joints or len(joints) == 1):
        raise QuantVLAError(
            f"Parameter 'gripper_joint' is '{given}' and the policy commands "
            f"{', '.join(joints)}; give one of several, or leave it empty."
        )
    if given and kind == "trajectory":
        raise QuantVLAError(
            f"Parameter 'gripper_joint' is '{given}' and 'gripper_type' is 'trajectory': say what "
            "the gripper's controller takes, or leave 'gripper_joint' empty."
        )
    if not given and kind != "trajectory":
        raise QuantVLAError(
            f"Parameter 'gripper_type' is '{kind}' and 'gripper_joint' is empty: name the "
            f"gripper's joint, one of {', '.join(joints)}."
        )
    return given or None
