# SPDX-License-Identifier: Apache-2.0
"""The policy node's life over a real graph: dry run, arming, instructions, ending."""

from __future__ import annotations

import numpy as np
import pytest
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from support.fake_robot import JOINTS
from support.policy_graph import HORIZON, assert_rhythm
from support.waiting import wait_until
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import Marker

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.qos import COMMAND


def test_dry_run_shows_the_chunks_and_commands_nothing(policy, robot, graph):
    policy.wait_for("DRY_RUN")
    robot.forget()
    chunks = graph.listen(JointTrajectory, f"/{policy.name}/chunk", COMMAND)
    paths = graph.listen(Marker, f"/{policy.name}/predicted_path", COMMAND)
    wait_until(lambda: len(chunks) >= 2 and len(paths) >= 2, 20, "chunks")
    assert chunks[0].joint_names == list(JOINTS)
    assert len(chunks[0].points) == HORIZON
    assert len(paths[0].points) == HORIZON
    assert paths[0].header.frame_id == "l0"
    assert robot.windows == []


def test_armed_robot_follows_the_policy_within_limits(moving, robot):
    wait_until(lambda: len(robot.windows) > 150, 30, "3 s of windows")
    robot.assert_within_limits()
    stamps = np.array([w.header.stamp.sec + w.header.stamp.nanosec * 1e-9 for w in robot.windows])
    assert_rhythm(stamps, 0.02)
    # The policy swings all joints alike: position 0.4 sin(0.9 t).
    time, positions, _ = robot.setpoints[-1]
    assert positions == pytest.approx(0.4 * np.sin(0.9 * time) * np.ones(3), abs=0.06)


def test_motion_begins_at_the_measured_position(policy, robot):
    policy.wait_for("DRY_RUN")
    start = robot.setpoints[-1][1]
    robot.forget()
    policy.client.arm()
    wait_until(lambda: robot.windows, 10, "a window")
    assert robot.windows[0].points[0].positions.tolist() == pytest.approx(start.tolist(), abs=1e-3)
    policy.bring_to_dry_run()


def test_disarming_brings_the_arm_to_rest(moving, robot):
    moving.client.rest()
    assert moving.message == "DRY_RUN"
    wait_until(lambda: robot.at_rest, 1, "rest")
    robot.assert_within_limits()


def test_next_chunk_follows_a_new_instruction(moving, robot):
    def opposite():
        time, positions, _ = robot.setpoints[-1]
        swing = 0.4 * np.sin(0.9 * time)
        return abs(swing) > 0.1 and abs(positions[0] + swing) < 0.06

    robot.instruct("left")
    wait_until(opposite, 15, "the mirrored swing")
    robot.assert_within_limits()


def test_empty_instruction_holds_the_arm_without_a_fault(moving, robot):
    robot.instruct("")
    wait_until(lambda: robot.at_rest, 10, "rest")
    count = len(robot.windows)
    wait_until(lambda: len(robot.windows) > count + 100, 20, lambda: f"windows ({moving.message})")
    assert moving.message == "ARMED"
    robot.instruct("swing")
    wait_until(lambda: robot.speed > 0.05, 10, "motion")
    robot.assert_within_limits()


def test_slow_worker_is_planned_for(moving, robot):
    moving.behave("slow")  # 0.4 s for an inference, the chunks still overlap
    count = len(robot.windows)
    wait_until(lambda: len(robot.windows) > count + 150, 30, "3 s of windows")
    assert moving.message == "ARMED"
    assert robot.speed > 0.0
    robot.assert_within_limits()


def test_transition_that_does_not_exist_is_refused_and_the_node_lives(policy):
    with pytest.raises(QuantVLAError, match="refused to configure"):
        policy.client.configure()
    assert policy.client.state() == "active"


def test_configured_node_takes_live_parameters_only(policy, graph):
    graph.set_parameter(policy.name, "max_camera_age_s", 1.9)
    request = SetParameters.Request(
        parameters=[
            Parameter("threads", value=2).to_parameter_msg(),
        ]
    )
    result = graph.call(SetParameters, f"/{policy.name}/set_parameters", request).results[0]
    graph.set_parameter(policy.name, "max_camera_age_s", 2.0)  # as it was
    assert not result.successful
    assert "clean the node up" in result.reason
