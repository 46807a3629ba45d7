# SPDX-License-Identifier: Apache-2.0
"""A policy of joints whose gripper's controller takes goals of control_msgs/GripperCommand."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import pytest
from support.action_gripper import EFFORT, figure, gripper_parameters
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError

RATE = 5.0  # goals a second, the default


@pytest.fixture(scope="module")
def make_robot(ros, control_msgs):
    from support.action_gripper import ActionGripperRobot

    return partial(ActionGripperRobot, "gripper_command")


@pytest.fixture(scope="module")
def parameters():
    """The node is on the robot's clock."""
    return (
        *gripper_parameters("gripper_command"), "use_sim_time:=true", "max_clock_step_s:=0.5"
    )  # fmt: skip


def rest(robot):
    wait_until(lambda: robot.silence > 0.5 and robot.at_rest, 20, "rest")


def fault(policy, robot, text, timeout=20):
    """The fault comes, the arm stops within limits, and the gripper is not told to let go."""
    policy.wait_for(text, timeout)
    rest(robot)
    robot.assert_within_limits()
    assert robot.cancels == 0


def test_goals_follow_the_policy_on_change_and_end_where_the_arm_ends(moving, robot):
    begin = time.monotonic()
    wait_until(lambda: len(robot.goals) > 8, 20, "goals")
    wait_until(lambda: "reached" in figure(moving), 10, lambda: f"a result ({figure(moving)})")
    count, took = len(robot.goals), time.monotonic() - begin
    assert count <= RATE * (took + 3.0), "3 s: the motion began before"
    assert {request.command.max_effort for request in robot.requests} == {EFFORT}
    assert {tuple(window.joint_names) for window in robot.windows} == {("joint1", "joint2")}
    wait_until(lambda: robot.speed > 0.25, 10, "a fast swing")
    moving.client.arm(False)
    moving.wait_for("DRY_RUN")
    rest(robot)
    # All joints move alike.
    (end,) = {point.positions[0] for point in robot.windows[-1].points[-1:]}
    wait_until(lambda: robot.goals[-1][1] == pytest.approx(end, abs=1e-3), 10, "the last goal")
    count = len(robot.goals)
    wait_until(lambda: robot.silence > 1.0, 10, "a second of rest")
    assert len(robot.goals) == count and robot.cancels == 0
    positions = np.array([position for _, position in robot.goals])
    assert np.abs(positions).max() < 0.45 and (np.diff(positions) != 0).all()


def test_arming_and_holding_leave_a_grip_as_it_is(policy, robot):
    policy.bring_to_dry_run()
    robot.instruct("")
    policy.wait_for_inputs("waiting")
    robot.forget()
    policy.client.arm()
    wait_until(lambda: len(robot.windows) > 50, 20, "1 s of windows")
    assert robot.goals == [] and figure(policy) == "no goal"
    policy.bring_to_dry_run()
    assert robot.goals == [] and robot.cancels == 0


def test_an_object_between_the_fingers_is_no_fault(moving, robot):
    robot.mode = "stall"
    count = len(robot.goals)
    wait_until(lambda: len(robot.goals) > count + 4, 5, "goals")
    wait_until(lambda: "stopped by what it holds" in figure(moving), 10, "its figure")
    assert moving.message == "ARMED"


def test_a_goal_that_a_newer_one_replaces_is_no_fault(moving, robot):
    robot.mode = "hold"
    count = len(robot.goals)
    wait_until(lambda: len(robot.goals) > count + 4, 5, "goals")
    assert moving.message == "ARMED" and robot.cancels == 0


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("reject", "GRIPPER_FAILED: the gripper's controller rejected position"),
        ("fail", "GRIPPER_FAILED: the gripper's controller gave up on position"),
        ("silent", "GRIPPER_FAILED: the gripper's controller did not answer position"),
    ],
)
def test_a_gripper_that_fails_stops_the_arm(moving, robot, mode, text):
    robot.answer.clear()
    robot.mode = mode
    fault(moving, robot, text)
    assert f"/{robot.name}" in moving.message
    with pytest.raises(QuantVLAError, match="GRIPPER_FAILED"):
        moving.client.arm()
    robot.heal()
    moving.client.reset_fault()
    moving.bring_to_motion()
    wait_until(lambda: robot.goals, 10, "a goal")


def test_another_client_of_the_gripper_stops_the_arm_and_refuses_arming(moving, robot):
    robot.mode = "hold"
    wait_until(lambda: "moving" in figure(moving), 20, "a goal under way")
    robot.client.send_goal_async(robot.goal(0.1))
    fault(moving, robot, "OUTPUT_CONFLICT: the ")
    assert f"/{robot.name}" in moving.message
    moving.client.reset_fault()
    robot.client.send_goal_async(robot.goal(0.2))
    moving.wait_for_inputs("OUTPUT_CONFLICT: the controller executes a goal of /" + robot.name)
    with pytest.raises(QuantVLAError, match="executes a goal of"):
        moving.client.arm()
    robot.heal()
    robot.client.send_goal_async(robot.goal(0.0))  # the last one ends, for this one replaces it
    moving.wait_for_inputs("fresh")


def test_a_server_that_goes_stops_the_arm_and_one_that_is_missing_refuses_arming(moving, robot):
    robot.end_serving()
    try:
        fault(moving, robot, f"GRIPPER_FAILED: there is no action server /{robot.name}", 30)
        moving.client.reset_fault()
        moving.wait_for_inputs("GRIPPER_FAILED")
        with pytest.raises(QuantVLAError, match="or correct gripper_type or gripper_output"):
            moving.client.arm()
    finally:
        robot.serve()
    moving.wait_for_inputs("fresh")


def test_a_clock_that_jumps_leaves_the_gripper_where_it_was_told_to_be(moving, robot):
    wait_until(lambda: len(robot.goals) > 1, 20, "goals")
    last = robot.goals[-1][1]
    robot.set_clock_back(1000.0)
    moving.wait_for("CLOCK_JUMP: the ROS clock went back by")
    rest(robot)
    assert robot.cancels == 0
    assert robot.goals[-1][1] == pytest.approx(last, abs=0.06), "told again"
    moving.client.reset_fault()


def test_the_last_goal_is_sent_before_the_node_ends(policy, robot):
    robot.align_finger()
    policy.bring_to_motion()
    wait_until(lambda: robot.goals and robot.speed > 0.25, 10, "a fast swing")
    assert policy.process.stop() == 0, policy.process.output
    end = robot.windows[-1].points[-1].positions[0]
    wait_until(
        lambda: robot.goals[-1][1] == pytest.approx(end, abs=1e-3), 10,
        lambda: f"the last goal {end} ({robot.goals[-3:]})",
    )  # fmt: skip
    assert robot.cancels == 0
    assert "Traceback" not in policy.process.output
    assert "Ignoring unexpected" not in policy.process.output
