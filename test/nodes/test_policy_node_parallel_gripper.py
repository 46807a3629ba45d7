# SPDX-License-Identifier: Apache-2.0
"""The same with control_msgs/ParallelGripperCommand, on an action with a name of its own.

What depends on the node alone is in test_policy_node_gripper_action.py.
"""

from __future__ import annotations

from functools import partial

import pytest
from support.action_gripper import EFFORT, figure, gripper_parameters
from support.waiting import wait_until


@pytest.fixture(scope="module")
def make_robot(ros, control_msgs):
    from support.action_gripper import ActionGripperRobot

    return partial(ActionGripperRobot, "parallel_gripper_command")


@pytest.fixture(scope="module")
def parameters(robot):
    return (*gripper_parameters(robot.kind), f"gripper_output:={robot.name}")


def test_goals_name_the_joint_and_their_results_are_watched(moving, robot):
    robot.mode = "stall"
    wait_until(lambda: len(robot.goals) > 4, 30, "goals")
    wait_until(lambda: "stopped by what it holds at" in figure(moving), 10, lambda: figure(moving))
    for request in robot.requests:
        assert list(request.command.name) == ["finger"]
        assert list(request.command.effort) == [EFFORT]
    assert moving.message == "ARMED"
    robot.mode = "fail"
    moving.wait_for("GRIPPER_FAILED: the gripper's controller gave up on position", 20)
    assert "on /hand/grip: it stopped at" in moving.message and robot.cancels == 0
