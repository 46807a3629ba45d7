# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import deserialize_message, serialize_message
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.window import Window
from quantvla_ros.nodes.trajectory_writer import TrajectoryWriter


def window(times, offset=0.0):
    values = offset + np.arange(2.0 * len(times)).reshape(len(times), 2)
    return Window(1.75e9 + 0.625, np.array(times), values, values + 10, values + 20)


def check(message, made):
    # What counts is what goes out.
    message = deserialize_message(serialize_message(message), JointTrajectory)
    assert message.joint_names == ["a", "b"]
    # It starts with the first point, which is due already.
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_750_000_000, 500_000_000)
    spans = [(p.time_from_start.sec, p.time_from_start.nanosec) for p in message.points]
    assert spans == [divmod(round((t + 0.125) * 1e9), 10**9) for t in made.times]
    for k, point in enumerate(message.points):
        np.testing.assert_array_equal(point.positions, made.positions[k])
        np.testing.assert_array_equal(point.velocities, made.velocities[k])
        np.testing.assert_array_equal(point.accelerations, made.accelerations[k])


def test_a_window_becomes_a_trajectory():
    made = window([-0.125, 0.04, 1.5])
    check(TrajectoryWriter(["a", "b"]).write(made), made)


def test_a_later_window_leaves_nothing_of_an_earlier_one():
    writer = TrajectoryWriter(["a", "b"])
    for made in (
        window([-0.125, 0.04, 1.5]),
        window([-0.125], 5.0),
        window([-0.125, 0.2, 0.3, 0.4], 7.0),
    ):
        check(writer.write(made), made)


def test_some_columns_of_a_window():
    wide = Window(1.75e9 + 0.625, np.array([-0.125, 0.2]), *np.arange(18.0).reshape(3, 2, 3))
    made = wide.of([2, 0])
    np.testing.assert_array_equal(made.positions, wide.positions[:, [2, 0]])
    check(TrajectoryWriter(["a", "b"]).write(made), made)
