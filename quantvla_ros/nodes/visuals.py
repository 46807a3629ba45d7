# SPDX-License-Identifier: Apache-2.0
"""The chunk for people to look at: as a raw trajectory and as the path of the tip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from visualization_msgs.msg import Marker

from quantvla_ros.nodes.conversion import seconds_to_duration, seconds_to_stamp
from quantvla_ros.nodes.qos import COMMAND
from quantvla_ros.robot.chain import Kinematics
from quantvla_ros.robot.interface import Interface
from quantvla_ros.robot.kinematics import forward_kinematics

LINE_WIDTH_M = 0.005


def chunk_message(
    actions: NDArray[np.float64], stamp: float, dt: float, names: Sequence[str]
) -> JointTrajectory:
    """Return a raw chunk [H, n] as a trajectory; row k is due at ``stamp + (k + 1) * dt`` (s)."""
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = seconds_to_stamp(stamp)
    message.points = [
        JointTrajectoryPoint(
            positions=row.tolist(), time_from_start=seconds_to_duration((k + 1) * dt)
        )
        for k, row in enumerate(actions)
    ]
    return message


def path_marker(
    actions: NDArray[np.float64], stamp: float, names: Sequence[str], kinematics: Kinematics
) -> Marker:
    """Return the tip's path along a chunk [H, n] as a line in the base frame (m)."""
    marker = Marker(ns="predicted_path", type=Marker.LINE_STRIP, action=Marker.ADD)
    marker.header.frame_id = kinematics.base
    marker.header.stamp = seconds_to_stamp(stamp)
    marker.pose.orientation.w = 1.0
    marker.scale.x = LINE_WIDTH_M
    marker.color.g = marker.color.a = 1.0
    for row in actions:
        tip, _ = forward_kinematics(kinematics, dict(zip(names, row.tolist(), strict=True)))
        marker.points.append(Point(x=float(tip[0]), y=float(tip[1]), z=float(tip[2])))
    return marker


class ChunkDisplay:
    """Publishes ``~/chunk`` and ``~/predicted_path``."""

    def __init__(self, node: Node) -> None:
        """Create both publishers."""
        self._chunk = node.create_publisher(JointTrajectory, "~/chunk", COMMAND)
        self._path = node.create_publisher(Marker, "~/predicted_path", COMMAND)

    def show(self, actions: NDArray[np.float64], stamp: float, interface: Interface) -> None:
        """Publish a chunk [H, n] of an observation at ``stamp`` (s, ROS clock)."""
        names = interface.action.names
        self._chunk.publish(chunk_message(actions, stamp, interface.dt, names))
        # Forward kinematics of a whole chunk costs milliseconds.
        kinematics = interface.state.kinematics
        if kinematics is None or any(j.name not in (None, *names) for j in kinematics.joints):
            return
        if self._path.get_subscription_count():
            self._path.publish(path_marker(actions, stamp, names, kinematics))
