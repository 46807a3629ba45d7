# SPDX-License-Identifier: Apache-2.0
"""Which of a policy's joints are grippers with controllers of their own, and what those take."""

from __future__ import annotations

from dataclasses import dataclass

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.gripper_types import DEFAULT_NAMES, OwnController
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.robot_file import RobotFile
from quantvla_ros.serving.parameter_model import PolicyNodeParameters


@dataclass(frozen=True)
class GripperSetup:
    """One gripper: its joint, what its controller takes, and the topic's or action's name."""

    joint: str
    kind: OwnController
    output: str


def gripper_setups(
    interface: Interface, parameters: PolicyNodeParameters, robot: RobotFile | None
) -> list[GripperSetup]:
    """The grippers that are commanded apart from the trajectories.

    The parameters say it of the joint that they name, the robot's description of all others.

    Raises:
        QuantVLAError: they do not fit the policy or each other.
    """
    found = _given(interface, parameters)
    if robot is not None:
        told = {setup.joint for setup in found}
        commanded = set(interface.action.joints) - told
        found += [
            GripperSetup(joint, group.controller, group.output or DEFAULT_NAMES[group.controller])
            for group in robot.groups.values()
            for joint in group.joints
            if group.controller != "trajectory" and joint in commanded
        ]
    if interface.action.moves_tip and interface.action.joints and not found:
        raise QuantVLAError(
            f"The policy moves the tip and the gripper's joint '{interface.action.joints[0]}', and "
            "parameter 'gripper_type' is 'trajectory', which it has none of: say what the "
            "gripper's controller takes."
        )
    return found


def _given(interface: Interface, parameters: PolicyNodeParameters) -> list[GripperSetup]:
    """The gripper that the parameters name, if any."""
    joints, kind, given = interface.action.joints, parameters.gripper_type, parameters.gripper_joint
    if interface.action.moves_tip:
        if given and given not in joints:
            raise QuantVLAError(
                f"Parameter 'gripper_joint' is '{given}' and the policy commands "
                f"{', '.join(joints) or 'no gripper'}; leave it empty."
            )
        given = joints[0] if joints else ""
        if kind == "trajectory":
            return []
    elif given and (given not in joints or len(joints) == 1):
        raise QuantVLAError(
            f"Parameter 'gripper_joint' is '{given}' and the policy commands "
            f"{', '.join(joints)}; give one of several, or leave it empty."
        )
    elif given and kind == "trajectory":
        raise QuantVLAError(
            f"Parameter 'gripper_joint' is '{given}' and 'gripper_type' is 'trajectory': say what "
            "the gripper's controller takes, or leave 'gripper_joint' empty."
        )
    elif not given and kind != "trajectory":
        raise QuantVLAError(
            f"Parameter 'gripper_type' is '{kind}' and 'gripper_joint' is empty: name the "
            f"gripper's joint, one of {', '.join(joints)}."
        )
    if not given or kind == "trajectory":
        return []
    return [GripperSetup(given, kind, parameters.gripper_output or DEFAULT_NAMES[kind])]
