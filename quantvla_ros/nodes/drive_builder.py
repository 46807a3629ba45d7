# SPDX-License-Identifier: Apache-2.0
"""From a bundle's actions and the parameters to what they drive; owns the command topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.limits import JointLimits
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.drive import JointDrive
from quantvla_ros.nodes.gripper import Gripper
from quantvla_ros.nodes.gripper_builder import GripperBuilder
from quantvla_ros.nodes.moveit_servo import MoveItServo
from quantvla_ros.nodes.qos import COMMAND
from quantvla_ros.nodes.twist_drive import TwistDrive, TwistOutput
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.robot_file import RobotFile
from quantvla_ros.serving.gripper_setup import gripper_setups
from quantvla_ros.serving.parameter_model import PolicyNodeParameters
from quantvla_ros.serving.startup import read_limits

_NO_JOINT = JointLimits((), *[np.zeros(0)] * 5)


class DriveBuilder:
    """Builds one drive after another; a publisher of commands lives as long as the node."""

    def __init__(self, node: Node) -> None:
        """Take the node that publishes."""
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        self._grippers = GripperBuilder(node)
        self._own: list[Gripper] = []
        self._servo: MoveItServo | None = None

    def build(
        self,
        interface: Interface,
        parameters: PolicyNodeParameters,
        description: str,
        topic: str,
        given: Mapping[str, Mapping[str, float]],
        robot: RobotFile | None = None,
    ) -> JointDrive | TwistDrive:
        """Make what the policy's actions drive.

        Args:
            interface: of the bundle.
            parameters: of the node.
            description: the URDF.
            topic: where it came from.
            given: limits of the joints, see `read_limits`.
            robot: its controllers; without one all joints are in one trajectory.

        Raises:
            RefusalError: JOINT_MISMATCH, LIMITS_MISSING.
            QuantVLAError: a parameter does not fit the bundle, or a package is not installed.
        """
        self._let_go()
        joints = interface.action.joints
        limits = read_limits(interface, description, topic, given) if joints else _NO_JOINT
        for setup in gripper_setups(interface, parameters, robot):
            self._own.append(self._grippers.build(setup, parameters, limits))
        if interface.action.moves_tip:
            return self._twists(interface, parameters, limits)
        apart = [gripper.joint for gripper in self._own]
        rest = [name for name in joints if name not in apart]
        topics = {"joint_trajectory": rest} if robot is None else robot.trajectories(rest)
        trajectories = [
            (self._publisher(topic, JointTrajectory), names) for topic, names in topics.items()
        ]
        return JointDrive(limits, tuple(interface.state.names), trajectories, self._own.copy())

    def _twists(
        self, interface: Interface, parameters: PolicyNodeParameters, limits: JointLimits
    ) -> TwistDrive:
        kinematics = interface.state.kinematics
        frame = parameters.twist_frame or (kinematics.base if kinematics is not None else "")
        if not frame:
            raise QuantVLAError(
                "Parameter 'twist_frame' is empty and the bundle names no base link: give the "
                "frame of the policy's twists."
            )
        publisher = self._publisher("twist", TwistStamped)
        if parameters.servo_node:
            self._servo = MoveItServo(
                self._node, parameters.servo_node, publisher.topic_name, parameters.twist_limits()
            )
        return TwistDrive(
            interface,
            parameters.twist_limits(),
            limits,
            self._own.copy(),
            TwistOutput(publisher, frame, 1.0 / parameters.control_rate_hz, self._servo),
        )

    def _publisher(self, topic: str, kind: Any) -> Publisher:
        if topic not in self._publishers:
            self._publishers[topic] = self._node.create_publisher(kind, topic, COMMAND)
        return self._publishers[topic]

    def _let_go(self) -> None:
        for gripper in self._own:
            gripper.close()
        if self._servo is not None:
            self._servo.close()
        self._own, self._servo = [], None
