# SPDX-License-Identifier: Apache-2.0
"""Every fault provoked from outside: the arm rests, the fault is named and latched, and left."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from action_msgs.msg import GoalStatus, GoalStatusArray
from sensor_msgs.msg import JointState
from support.fake_robot import JOINTS
from support.waiting import wait_until
from trajectory_msgs.msg import JointTrajectory

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.conversion import seconds_to_stamp
from quantvla_ros.nodes.qos import JOINT_STATES, LATCHED
from quantvla_ros.processing.trained_range import FARTHEST

MODES = {
    "NONFINITE_ACTION": "nan",
    "LIMIT_VIOLATION": "outside",
    "CHUNK_UNDERRUN": "old",
    "INFERENCE_TIMEOUT": "hang",
    "BACKEND_ERROR": "raise",
}


class SecondJointStates:
    """Another node that publishes the joint states at 50 Hz, as it sees them."""

    def __init__(self, graph, robot):
        self._graph, self._robot, self._ends = graph, robot, []

    def begin(self, see):
        node = self._graph.node
        publisher = node.create_publisher(JointState, "joint_states", JOINT_STATES)

        def publish():
            stamp, positions, _ = self._robot.setpoints[-1]
            message = JointState(name=list(JOINTS), position=list(map(float, see(positions))))
            message.header.stamp = seconds_to_stamp(stamp + 0.002)
            publisher.publish(message)

        timer = node.create_timer(0.02, publish)
        self._ends += [lambda: node.destroy_timer(timer), lambda: node.destroy_publisher(publisher)]

    def end(self):
        while self._ends:
            self._ends.pop(0)()


@pytest.fixture
def provoke(moving, graph):
    """Return a function that disturbs a running system from outside; all is undone afterwards."""
    intruders, second = [], SecondJointStates(graph, moving.robot)

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
        elif fault == "JOINT_JUMP":
            robot.measure = lambda positions: np.add(positions, [0.0, 0.9, 0.0])
        elif fault == "JOINT_STATE_CONFLICT":
            second.begin(lambda positions: positions)
        elif fault == "STATE_OUT_OF_RANGE":
            graph.set_parameter(moving.name, "max_state_deviation", 0.05)
        elif fault == "OUTPUT_CONFLICT":
            intruders.append(graph.node.create_publisher(JointTrajectory, "joint_trajectory", 1))
        else:
            os.kill(moving.worker_pid(), signal.SIGKILL)

    def heal():
        moving.behave("ok")
        moving.robot.heal()
        second.end()
        graph.set_parameter(moving.name, "max_state_deviation", FARTHEST)
        while intruders:
            graph.node.destroy_publisher(intruders.pop())

    provoke.heal = heal
    yield provoke
    heal()


ELSEWHERE = {"CLOCK_JUMP", "GRIPPER_FAILED"}  # the clock's and the gripper's tests have these


@pytest.mark.parametrize("fault", sorted({code.value for code in FaultCode} - ELSEWHERE))
def test_fault_stops_the_arm_and_is_left_by_reset_and_arm_only(moving, robot, provoke, fault):
    before, said = moving.count("control", f"fault_{fault}"), len(moving.process.output)
    provoke(fault)
    moving.wait_for(f"{fault}: ", 20)
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    text = moving.message
    assert moving.process.output[said:].count(text) == 1, "it is in the log once"

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
    moving.arm_when_quiet()
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


@pytest.fixture
def second(graph, robot):
    second = SecondJointStates(graph, robot)
    yield second
    second.end()


def test_zeros_beside_the_joint_states_refuse_arming_and_the_publishers_are_named(
    policy, robot, second
):
    """A `joint_state_publisher` beside the broadcaster, while the arm is not at zero."""
    policy.bring_to_motion()
    wait_until(lambda: np.abs(robot.setpoints[-1][1]).min() > 0.3, 20, "an arm away from zero")
    policy.client.arm(False)
    policy.wait_for("DRY_RUN")
    second.begin(np.zeros_like)
    policy.wait_for_inputs("JOINT_STATE_CONFLICT: two publishers name joint '")
    named = "end one of them (publishers of /joint_states: /fake_robot, /test)"
    wait_until(lambda: named in policy.client.diagnostics("inputs")[0], 10, named)
    with pytest.raises(QuantVLAError, match="JOINT_STATE_CONFLICT"):
        policy.client.arm()
    assert policy.message == "DRY_RUN", "nothing is latched"
    second.end()
    policy.wait_for_inputs("fresh")
    policy.bring_to_dry_run()


def test_zeros_that_begin_while_the_arm_moves_stop_it_before_any_chunk_of_them(
    moving, robot, second
):
    wait_until(lambda: np.abs(robot.setpoints[-1][1]).min() > 0.3, 20, "an arm away from zero")
    second.begin(np.zeros_like)
    wait_until(lambda: moving.message.startswith("JOINT_"), 20, "the fault")
    assert " (publishers of /joint_states: /fake_robot, " in moving.message
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()


def test_a_scene_that_is_reset_while_the_arm_is_disarmed_latches_nothing(policy, robot):
    policy.bring_to_dry_run()
    policy.wait_for_inputs("fresh")
    before = policy.count("inputs", "skipped_jumped_joint_states")
    robot.measure = lambda positions: positions - 0.9
    wait_until(
        lambda: policy.count("inputs", "skipped_jumped_joint_states") > before, 10, "the jump"
    )
    policy.wait_for_inputs("fresh")
    assert policy.message == "DRY_RUN"
    policy.client.arm()
    policy.wait_for("ARMED")
    policy.client.arm(False)
    policy.wait_for("DRY_RUN")
    policy.bring_to_dry_run()


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
