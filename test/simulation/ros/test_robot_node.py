# SPDX-License-Identifier: Apache-2.0
"""The simulated robot in a process of its own, seen from the ROS graph."""

from __future__ import annotations

import signal

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")

from geometry_msgs.msg import TwistStamped
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from std_srvs.srv import Trigger
from support.simulated_node import JOINTS, command, diagnostic_values, now, positions
from support.waiting import wait_until
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.nodes import qos
from quantvla_ros.nodes.conversion import (
    image_to_rgb,
)
from quantvla_ros.serving.stamps import seconds_of
from simulation.trajectory_controller import RATE_HZ


def test_cameras_joints_and_clock_are_stamped_in_rising_simulation_time(graph, joint_states):
    clock = graph.listen(Clock, "/clock", qos.CLOCK)
    images = {
        name: graph.listen(Image, f"/{name}/image_raw", qos.SENSOR) for name in ("front", "wrist")
    }
    wait_until(lambda: min(len(m) for m in images.values()) >= 5, 30, "5 images of each camera")
    pixels = {}
    for name, received in images.items():
        stamps = [seconds_of(m.header.stamp) for m in received[:5]]
        periods = np.diff(stamps) / 0.1  # more than one when a picture was lost on the way
        np.testing.assert_allclose(periods, np.maximum(1, np.round(periods)), atol=1e-5)
        assert received[0].header.frame_id == f"{name}_optical_frame"
        pixels[name] = image_to_rgb(received[-1], name)
        assert received[0].encoding == "rgb8"
        assert pixels[name].shape == (96, 96, 3)
        assert pixels[name].std() > 10
    assert not np.array_equal(pixels["front"], pixels["wrist"])
    stamps = [seconds_of(m.header.stamp) for m in joint_states]
    assert (np.diff(stamps) > 0).all()
    assert np.diff(stamps).min() <= 0.0121, "the rate; a busy listener loses most of them"
    ticks = [seconds_of(m.clock) for m in clock]
    assert (np.diff(ticks) > 0).all()
    assert np.diff(ticks).min() <= 0.0121
    assert joint_states[0].name == [*JOINTS, "panda_finger_joint2"]
    assert len(joint_states[0].velocity) == len(joint_states[0].position) == 9


def test_the_description_reaches_those_who_come_late_and_names_every_joint(graph, joint_states):
    description = graph.listen(String, "/robot_description", qos.LATCHED)
    wait_until(lambda: description, 20, "the robot description")
    for name in JOINTS:
        assert f'"{name}"' in description[0].data


def test_a_trajectory_moves_the_joints_to_its_goal(graph, joint_states):
    assert graph.call(Trigger, "/sim_robot_node/reset").success
    goal = positions(joint_states) + np.array([0.15, -0.1, 0.1, 0.1, -0.1, 0.1, 0.2, -0.02])
    command(graph, goal, 0.8)
    wait_until(
        lambda: np.abs(positions(joint_states) - goal).max() < 0.01, 20, "the arm at its goal"
    )
    speeds = [np.abs(m.velocity[:7]).max() for m in joint_states]
    assert 0.2 < max(speeds) < 2.0


def test_every_setpoint_of_the_controller_can_be_heard(graph, joint_states):
    messages = graph.listen(JointTrajectory, "/sim/setpoints", qos.EVERY_SETPOINT)
    wait_until(lambda: len(messages) > 20, 30, "setpoints")
    times = []
    for message in messages[:20]:
        assert message.joint_names == JOINTS and message.header.frame_id.isdigit()
        begin = seconds_of(message.header.stamp)
        times += [begin + seconds_of(p.time_from_start) for p in message.points]
        assert all(len(point.positions) == len(JOINTS) for point in message.points)
    # A listener may lose a message; within one and from one to the next they are 2 ms apart.
    gaps = np.diff(times)
    assert np.median(gaps) == pytest.approx(1 / RATE_HZ, rel=1e-3) and (gaps > 0).all()


def test_a_bad_trajectory_is_rejected_and_the_arm_holds(graph, joint_states, robot):
    values = diagnostic_values(graph)
    before = positions(joint_states)
    rejected = int(wait_until(values, 20, "diagnostics").get("trajectories_rejected", 0))
    command(graph, before[:7] + 0.5, 0.5, names=JOINTS[:7])
    wait_until(
        lambda: values().get("trajectories_rejected") == str(rejected + 1), 20, "the rejection"
    )
    assert values()["last_rejection"] == "missing joints: panda_finger_joint1"
    assert "trajectory rejected: missing joints: panda_finger_joint1" in robot.output
    seen = len(joint_states)
    wait_until(lambda: len(joint_states) > seen + 100, 20, "100 more joint states")
    np.testing.assert_allclose(positions(joint_states), before, atol=2e-3)


def test_a_trajectory_that_ended_in_the_past_is_rejected(graph, joint_states):
    values = diagnostic_values(graph)
    command(graph, positions(joint_states), 0.1, stamp=now(joint_states) - 0.5)
    wait_until(lambda: "in the past" in values().get("last_rejection", ""), 20, "the rejection")


def test_a_twist_moves_the_arm_until_its_stamp_is_stale(graph, joint_states):
    publisher = graph.publisher(TwistStamped, "/twist", qos.COMMAND)
    start = positions(joint_states)

    def moved():
        message = TwistStamped()
        message.header.stamp = joint_states[-1].header.stamp
        message.header.frame_id = "panda_link0"
        message.twist.linear.z = 0.1
        publisher.publish(message)
        return np.abs(positions(joint_states) - start).max() > 0.1

    wait_until(moved, 20, "the arm's motion")
    stopped = now(joint_states) + 0.5
    wait_until(lambda: now(joint_states) > stopped, 20, "half a second")
    assert np.abs(joint_states[-1].velocity).max() < 1e-2


def test_a_silenced_camera_sends_nothing_and_the_other_goes_on(graph, joint_states):
    front = graph.listen(Image, "/front/image_raw", qos.SENSOR)
    wrist = graph.listen(Image, "/wrist/image_raw", qos.SENSOR)
    wait_until(lambda: front and wrist, 20, "images")
    graph.set_parameter("sim_robot_node", "silence_front", True)
    after = len(wrist) + 2  # one picture may have been on its way
    wait_until(lambda: len(wrist) > after, 20, "images of the wrist")
    silent, seen = seconds_of(wrist[-1].header.stamp), len(wrist)

    def heard():
        return seconds_of(front[-1].header.stamp) > silent

    wait_until(lambda: len(wrist) > seen + 5, 20, "images of the wrist")
    assert not heard()
    graph.set_parameter("sim_robot_node", "silence_front", False)
    wait_until(heard, 20, "images of the front camera")


def test_sigint_ends_it_with_status_0_and_leaves_no_process(graph, joint_states, robot):
    assert robot.stop(signal.SIGINT) == 0
    assert robot.group_is_gone()
    assert "Traceback" not in robot.output
