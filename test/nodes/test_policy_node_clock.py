# SPDX-License-Identifier: Apache-2.0
"""A simulation's clock that goes back or jumps ahead while the arm moves."""

from __future__ import annotations

import time

import pytest
from rosgraph_msgs.msg import Clock
from support.policy_graph import PolicyProcess
from support.ros_graph import Graph
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.nodes.qos import CLOCK


@pytest.fixture(scope="module")
def parameters():
    """The node is on the robot's clock, whose messages a busy machine may hold back."""
    return ("use_sim_time:=true", "clock_timeout_s:=0.5", "max_clock_step_s:=0.5")


@pytest.mark.parametrize(("back", "text"), [(1000.0, "went back by"), (-500.0, "jumped ahead by")])
def test_clock_that_jumps(policy, robot, back, text):
    policy.bring_to_motion()
    robot.set_clock_back(back)
    policy.wait_for(f"CLOCK_JUMP: the ROS clock {text}")
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    time.sleep(1.0)  # a window of the former time would begin a motion slowly
    assert robot.at_rest
    with pytest.raises(QuantVLAError, match="CLOCK_JUMP"):
        policy.client.arm()
    policy.client.reset_fault()
    policy.bring_to_motion()
    robot.assert_within_limits()
    policy.bring_to_dry_run()


@pytest.mark.parametrize("back", [1000.0, -500.0])
def test_jump_in_dry_run_is_no_fault_and_inference_goes_on(policy, robot, back):
    policy.bring_to_dry_run()
    robot.set_clock_back(back)
    policy.wait_for_inputs("fresh")
    chunks = policy.count("inference", "chunks")
    wait_until(lambda: policy.count("inference", "chunks") > chunks + 2, 20, "chunks")
    policy.bring_to_motion()
    robot.assert_within_limits()
    policy.bring_to_dry_run()


BOTH = r"2 publishers of /clock.*: /fake_robot, /second_robot;"


@pytest.fixture
def second_clock(ros):
    """Another robot in the same ROS domain: its time comes and goes on the same topic."""
    other = Graph("second_robot")
    other.node.create_publisher(Clock, "/clock", CLOCK)
    yield other
    other.close()


def test_two_robots_in_one_domain_are_named_and_refuse_arming(policy, second_clock):
    policy.bring_to_dry_run()
    policy.wait_for_inputs("CLOCK_JUMP: 2 publishers of /clock")
    with pytest.raises(QuantVLAError, match=f"Cannot arm: CLOCK_JUMP: {BOTH}"):
        policy.client.arm()
    second_clock.close()
    policy.wait_for_inputs("fresh")
    policy.bring_to_motion()
    policy.bring_to_dry_run()


def test_two_robots_are_named_when_no_stamp_fits(robot, float_bundle, second_clock, tmp_path):
    policy = PolicyProcess(
        robot, float_bundle, tmp_path, "use_sim_time:=true", "input_timeout_s:=3.0"
    )
    robot.restamp["front"] = lambda stamp: stamp + 1000.0
    try:
        with pytest.raises(QuantVLAError, match=f"INPUT_MISSING: .* in the future .*{BOTH}"):
            policy.client.configure()
    finally:
        robot.heal()
        policy.close()
