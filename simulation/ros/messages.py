# SPDX-License-Identifier: Apache-2.0
"""What the simulated robot publishes, and the trajectories it takes, as ROS messages."""

from __future__ import annotations

import array
import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory as JointTrajectoryMessage
from trajectory_msgs.msg import JointTrajectoryPoint

from quantvla_ros.nodes.conversion import seconds_to_duration, seconds_to_stamp
from quantvla_ros.serving.stamps import seconds_of
from simulation.robot import SimulatedRobot
from simulation.trajectory import JointTrajectory, TrajectoryPoint

MIMIC_JOINT = "panda_finger_joint2"
SLOW_BELOW = 0.9
"""A real-time factor below this part of the wanted one is a warning."""


def joint_state(robot: SimulatedRobot, stamp: float, offset: float = 0.0) -> JointState:
    """Return positions (`offset` too far) and velocities of all joints, the mimic finger's too."""
    message = JointState(name=[*robot.joint_names, MIMIC_JOINT])
    message.header.stamp = seconds_to_stamp(stamp)
    for field, values in (("position", robot.positions + offset), ("velocity", robot.velocities)):
        setattr(message, field, array.array("d", np.append(values, values[-1])))
    return message


def trajectory_from_message(message: JointTrajectoryMessage) -> JointTrajectory:
    """Return the message's content, unchecked."""
    points = [
        TrajectoryPoint(
            seconds_of(point.time_from_start),
            point.positions,
            point.velocities,
            point.accelerations,
            point.effort,
        )
        for point in message.points
    ]
    return JointTrajectory(message.joint_names, points, seconds_of(message.header.stamp))


def setpoints(
    names: Sequence[str], cycles: Sequence[tuple[float, npt.NDArray[np.float64]]], resets: int
) -> JointTrajectoryMessage:
    """Return what the trajectory controller commanded in each cycle: when it began (s), and [n].

    Another ``frame_id`` tells that the scene was reset in between.
    """
    begin = cycles[0][0]
    message = JointTrajectoryMessage(joint_names=list(names))
    message.header.stamp = seconds_to_stamp(begin)
    message.header.frame_id = str(resets)
    message.points = [
        JointTrajectoryPoint(
            positions=array.array("d", positions.tobytes()),
            time_from_start=seconds_to_duration(time - begin),
        )
        for time, positions in cycles
    ]
    return message


def twist_from_message(message: TwistStamped) -> npt.NDArray[np.float64]:
    """Return linear and angular velocity [6], m/s and rad/s."""
    linear, angular = message.twist.linear, message.twist.angular
    return np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z])


def simulation_state(robot: SimulatedRobot, seed: int, time: float, resets: int) -> String:
    """Return the task's state, judged from the simulation, as JSON."""
    task = robot.task
    return String(
        data=json.dumps(
            {
                "task": task.name,
                "seed": seed,
                "objects": list(task.present),
                "instruction": robot.instruction,
                "target": task.goal.object,
                "destination": task.goal.destination,
                "success": robot.success(),
                "first_moved": robot.first_moved,
                "time": round(time, 3),
                "resets": resets,
            }
        )
    )


def diagnostics(
    node_name: str, stamp: float, rate: float, wanted_rate: float, values: Mapping[str, object]
) -> DiagnosticArray:
    """Return the status of the physics: the real-time factor reached, and what was counted."""
    slow = rate < SLOW_BELOW * wanted_rate
    status = DiagnosticStatus(
        name=f"{node_name}: physics",
        hardware_id="simulated panda",
        level=DiagnosticStatus.WARN if slow else DiagnosticStatus.OK,
        message=f"real-time factor {rate:.2f}" + (f" of {wanted_rate:g} wanted" if slow else ""),
    )
    status.values = [
        KeyValue(key=key, value=str(value))
        for key, value in {"real_time_factor": f"{rate:.3f}", **values}.items()
    ]
    message = DiagnosticArray(status=[status])
    message.header.stamp = seconds_to_stamp(stamp)
    return message
