# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from quantvla_ros.nodes.conversion import seconds_to_duration, seconds_to_stamp
from simulation.ros import messages as sim_messages


def test_a_trajectory_message_is_taken_over_unchecked():
    point = JointTrajectoryPoint(
        positions=[1.0, 2.0],
        velocities=[0.1],
        accelerations=[0.3],
        effort=[4.0],
        time_from_start=seconds_to_duration(1.25),
    )
    message = JointTrajectory(joint_names=["b", "a"], points=[point])
    message.header.stamp = seconds_to_stamp(7.5)
    result = sim_messages.trajectory_from_message(message)
    assert (list(result.joint_names), result.stamp) == (["b", "a"], 7.5)
    (taken,) = result.points
    assert taken.time_from_start == 1.25
    fields = (taken.positions, taken.velocities, taken.accelerations, taken.effort)
    assert [list(values) for values in fields] == [[1.0, 2.0], [0.1], [0.3], [4.0]]


def test_a_twist_is_linear_then_angular():
    message = TwistStamped()
    linear, angular = message.twist.linear, message.twist.angular
    linear.x, linear.y, linear.z = 1.0, 2.0, 3.0
    angular.x, angular.y, angular.z = 4.0, 5.0, 6.0
    assert sim_messages.twist_from_message(message).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("rate", "wanted", "level", "text"),
    [
        (0.99, 1.0, DiagnosticStatus.OK, "real-time factor 0.99"),
        (0.5, 1.0, DiagnosticStatus.WARN, "real-time factor 0.50 of 1 wanted"),
        (7.0, 0.0, DiagnosticStatus.OK, "real-time factor 7.00"),
    ],
)
def test_a_simulation_slower_than_wanted_is_a_warning(rate, wanted, level, text):
    message = sim_messages.diagnostics("robot", 3.0, rate, wanted, {"lost_s": "0.1"})
    (status,) = message.status
    assert (status.name, status.level, status.message) == ("robot: physics", level, text)
    assert {v.key: v.value for v in status.values} == {
        "real_time_factor": f"{rate:.3f}",
        "lost_s": "0.1",
    }
    assert message.header.stamp == seconds_to_stamp(3.0)
