# SPDX-License-Identifier: Apache-2.0
"""A simulation's clock that jumps while a policy of twists moves the tip."""

from __future__ import annotations

import pytest
from support.policy_graph import active_policy
from support.tip_robot import PARAMETERS, TipRobot, assert_within_reach, write_tip_bundle
from support.waiting import wait_until

from quantvla_ros.errors import QuantVLAError


@pytest.fixture(scope="module")
def robot(ros):
    robot = TipRobot()
    yield robot
    robot.close()


@pytest.fixture(scope="module")
def simulated(robot, tmp_path_factory):
    """A policy node on the robot's clock, active."""
    folder = tmp_path_factory.mktemp("tip_clock")
    with active_policy(
        robot,
        write_tip_bundle(folder / "bundle"),
        folder,
        *PARAMETERS,
        "use_sim_time:=true",
        "max_clock_step_s:=0.5",  # a busy machine may hold the clock's messages back
    ) as policy:
        yield policy


@pytest.mark.parametrize(("back", "text"), [(1000.0, "went back by"), (-500.0, "jumped ahead by")])
def test_jump_is_answered_by_zeros_at_once(simulated, robot, back, text):
    simulated.bring_to_motion()
    latest = robot.twists[-1][0]
    robot.set_clock_back(back)
    simulated.wait_for(f"CLOCK_JUMP: the ROS clock {text}")
    wait_until(lambda: robot.silence > 0.5 and robot.at_rest, 20, "silence")
    robot.assert_stopped()
    twists = list(robot.twists)
    before = [(stamp, twist) for stamp, twist in twists if abs(stamp - latest) < abs(back) / 2]
    assert_within_reach(before)
    after = twists[len(before) :]
    assert after and not any(twist.any() for _, twist in after)

    with pytest.raises(QuantVLAError, match="CLOCK_JUMP"):
        simulated.client.arm()
    simulated.client.reset_fault()
    simulated.bring_to_motion()
    robot.assert_within_limits()
    simulated.bring_to_dry_run()


def test_clock_that_stood_still_goes_on_with_zeros(simulated, robot):
    simulated.bring_to_motion()
    robot.silent.add("clock")
    simulated.wait_for("CLOCK_JUMP: the ROS clock has stood still")
    wait_until(lambda: robot.silence > 0.5, 10, "silence")
    count = len(robot.twists)
    robot.heal()
    wait_until(lambda: len(robot.twists) > count, 10, "twists")
    wait_until(lambda: robot.silence > 0.5, 10, "silence")
    assert not any(twist.any() for _, twist in robot.twists[count:])
    robot.assert_stopped()
    robot.assert_within_limits()
    simulated.bring_to_dry_run()
