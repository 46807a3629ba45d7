# SPDX-License-Identifier: Apache-2.0
"""A simulation's clock that jumps while a policy of twists moves the tip."""

from __future__ import annotations

import pytest
from support.tip_robot import PARAMETERS, TipRobot, assert_within_reach, write_tip_bundle
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError


@pytest.fixture(scope="module")
def make_robot(ros):
    return TipRobot


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_tip_bundle(tmp_path_factory.mktemp("tip") / "bundle")


@pytest.fixture(scope="module")
def parameters():
    """The node is on the robot's clock, whose messages a busy machine may hold back."""
    return (*PARAMETERS, "use_sim_time:=true", "max_clock_step_s:=0.5")


@pytest.mark.parametrize(("back", "text"), [(1000.0, "went back by"), (-500.0, "jumped ahead by")])
def test_jump_is_answered_by_zeros_at_once(policy, robot, back, text):
    policy.bring_to_motion()
    latest = robot.twists[-1][0]
    robot.set_clock_back(back)
    policy.wait_for(f"CLOCK_JUMP: the ROS clock {text}")
    wait_until(lambda: robot.silence > 0.5 and robot.at_rest, 20, "silence")
    robot.assert_stopped()
    twists = list(robot.twists)
    before = [(stamp, twist) for stamp, twist in twists if abs(stamp - latest) < abs(back) / 2]
    assert_within_reach(before)
    after = twists[len(before) :]
    assert after and not any(twist.any() for _, twist in after)

    with pytest.raises(QuantVLAError, match="CLOCK_JUMP"):
        policy.client.arm()
    policy.client.reset_fault()
    policy.bring_to_motion()
    robot.assert_within_limits()
    policy.bring_to_dry_run()


def test_clock_that_stood_still_goes_on_with_zeros(policy, robot):
    policy.bring_to_motion()
    robot.silent.add("clock")
    policy.wait_for("CLOCK_JUMP: the ROS clock has stood still")
    wait_until(lambda: robot.silence > 0.5, 10, "silence")
    count = len(robot.twists)
    robot.heal()
    wait_until(lambda: len(robot.twists) > count, 10, "twists")
    wait_until(lambda: robot.silence > 0.5, 10, "silence")
    assert not any(twist.any() for _, twist in robot.twists[count:])
    robot.assert_stopped()
    robot.assert_within_limits()
    policy.bring_to_dry_run()
