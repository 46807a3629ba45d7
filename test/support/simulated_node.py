# SPDX-License-Identifier: Apache-2.0
"""The simulated robot in a process of its own, and what is asked of it."""

from __future__ import annotations

import json

from diagnostic_msgs.msg import DiagnosticArray
from support.joint_positions import joint_positions
from support.ros_graph import NodeProcess
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from quantvla_ros.nodes import qos
from quantvla_ros.nodes.conversion import (
    seconds_to_duration,
    seconds_to_stamp,
)
from quantvla_ros.serving.stamps import seconds_of

MODULE = "simulation.ros.robot_node"
JOINTS = [*(f"panda_joint{i}" for i in range(1, 8)), "panda_finger_joint1"]
START = 120.0  # s: the first start on a machine compiles the scene


class Robots:
    """The robot that most tests share; one that needs another, or none, ends it."""

    def __init__(self) -> None:
        self._process = None

    def running(self):
        if self._process is None or not self._process.alive:
            self.end()
            self._process = NodeProcess(MODULE, "seed:=3", "real_time_factor:=2.0")
        return self._process

    def end(self):
        if self._process is not None:
            self._process.close()
            self._process = None


def positions(messages):
    return joint_positions(messages[-1], JOINTS)


def now(messages):
    return seconds_of(messages[-1].header.stamp)


def command(graph, goal, seconds, stamp=0.0, names=JOINTS):
    publisher = graph.publisher(JointTrajectory, "/joint_trajectory", qos.COMMAND)
    point = JointTrajectoryPoint(
        positions=list(goal),
        velocities=[0.0] * len(goal),
        time_from_start=seconds_to_duration(seconds),
    )
    message = JointTrajectory(joint_names=list(names), points=[point])
    message.header.stamp = seconds_to_stamp(stamp)
    publisher.publish(message)


def diagnostic_values(graph):
    messages = graph.listen(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
    return lambda: (
        {value.key: value.value for value in messages[-1].status[0].values} if messages else {}
    )


def state_of(messages):
    return json.loads(messages[-1].data) if messages else {}
