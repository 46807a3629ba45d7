# SPDX-License-Identifier: Apache-2.0
"""Every fault provoked from outside: the arm rests, the fault is named and latched, and left."""

from __future__ import annotations

import os
import signal

import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from trajectory_msgs.msg import JointTrajectory
from waiting import wait_until

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.qos import LATCHED

MODES = {
    "NONFINITE_ACTION": "nan",
    "LIMIT_VIOLATION": "outside",
    "CHUNK_UNDERRUN": "old",
    "INFERENCE_TIMEOUT": "hang",
    "BACKEND_ERROR": "raise",
}


@pytest.fixture
def provoke(moving, graph):
    """Return a function that disturbs a running system from outside; all is undone afterwards."""
    intruders = []

    def provoke(fault):
        robot = moving.robot
        if fault in MODES:
            moving.behave(MODES[fault])
        elif fault == "STALE_CAMERA":
            robot.silent.add("wrist")
        elif fault == "STALE_JOINT_STATE":
            robot.silent.add("joint_states")
        elif fault == "SKEWED_INPUTS":
            robot.restamp["wrist"] = lambda stamp: stamp - 0.3
        elif fault == "TRACKING_ERROR":
            stuck = robot.setpoints[-1][1]
            robot.measure = lambda positions: stuck
        elif fault == "OUTPUT_CONFLICT":
            intruders.append(graph.node.create_publisher(JointTrajectory, "joint_trajectory", 1))
        else:
            os.kill(moving.worker_pid(), signal.SIGKILL)

    def heal():
        moving.behave("ok")
        moving.robot.heal()
        while intruders:
            graph.node.destroy_publisher(intruders.pop())

    provoke.heal = heal
    yield provoke
    heal()


ELSEWHERE = {"CLOCK_JUMP", "GRIPPER_FAILED"}  # the clock's and the gripper's tests have these


@pytest.mark.parametrize("fault", sorted({code.value for code in FaultCode} - ELSEWHERE))
def test_fault_stops_the_arm_and_is_left_by_reset_and_arm_only(moving, robot, provoke, fault):
    before = moving.count("control", f"fault_{fault}")
    provoke(fault)
    moving.wait_for(f"{fault}: ", 20)
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    text = moving.message
    assert moving.process.output.count(text) == 1, "it is in the log once"

    count = len(robot.windows)
    with pytest.raises(QuantVLAError, match=fault):
        moving.client.arm()
    provoke.heal()
    moving.client.reset_fault()
    moving.wait_for("DRY_RUN")
    assert len(robot.windows) == count, "something was commanded before arming"
    with pytest.raises(QuantVLAError, match="no fault"):
        moving.client.reset_fault()

    moving.wait_for_inputs("fresh")
    moving.client.arm()
    wait_until(lambda: robot.speed > 0.05, 10, "motion")
    robot.assert_within_limits()
    wait_until(
        lambda: moving.count("control", f"fault_{fault}") > before, 5, f"the count of {fault}"
    )


def test_another_publisher_refuses_arming_and_is_named(policy, robot, graph):
    policy.bring_to_dry_run()
    intruder = graph.node.create_publisher(JointTrajectory, "joint_trajectory", 1)
    try:
        policy.wait_for_inputs(
            "OUTPUT_CONFLICT: another node publishes on /joint_trajectory: /test"
        )
        assert policy.message == "DRY_RUN"
        with pytest.raises(QuantVLAError, match="OUTPUT_CONFLICT"):
            policy.client.arm()
    finally:
        graph.node.destroy_publisher(intruder)
    policy.wait_for_inputs("fresh")


def test_a_goal_of_the_controllers_action_stops_the_arm_and_refuses_arming(moving, robot, graph):
    status = "follow_joint_trajectory/_action/status"
    server = graph.node.create_publisher(GoalStatusArray, status, LATCHED)

    def tell(state):
        server.publish(GoalStatusArray(status_list=[GoalStatus(status=state)]))

    try:
        tell(GoalStatus.STATUS_EXECUTING)
        moving.wait_for("OUTPUT_CONFLICT: the controller executes a goal of /follow_joint_traj", 10)
        wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
        robot.assert_within_limits()
        moving.client.reset_fault()
        with pytest.raises(QuantVLAError, match="executes a goal"):
            moving.client.arm()
        tell(GoalStatus.STATUS_SUCCEEDED)
        moving.wait_for_inputs("fresh")
        moving.client.arm()
    finally:
        graph.node.destroy_publisher(server)


def test_skewed_inputs_refuse_arming(policy, robot):
    policy.bring_to_dry_run()
    robot.restamp["wrist"] = lambda stamp: stamp - 0.3
    policy.wait_for_inputs("SKEWED_INPUTS: ")
    with pytest.raises(QuantVLAError, match=r"SKEWED_INPUTS: .*camera 'wrist' lies behind"):
        policy.client.arm()
    policy.bring_to_dry_run()


def test_two_faults_at_once_latch_the_first_and_tell_both(moving, robot):
    robot.silent = {"wrist", "joint_states"}
    os.kill(moving.worker_pid(), signal.SIGKILL)
    moving.wait_for("WORKER_DIED: ")
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    moving.wait_for_inputs("STALE_")
    assert moving.message.startswith("WORKER_DIED: "), "the first one stays"
    robot.assert_within_limits()


def test_silent_camera_in_dry_run_is_a_warning_and_arming_is_refused(policy, robot):
    policy.bring_to_dry_run()
    robot.silent.add("front")
    wait_until(lambda: "STALE_CAMERA" in policy.client.diagnostics("inputs")[0], 10, "the warning")
    assert policy.message == "DRY_RUN"
    with pytest.raises(QuantVLAError, match=r"STALE_CAMERA: .*'front'"):
        policy.client.arm()
    policy.bring_to_dry_run()
