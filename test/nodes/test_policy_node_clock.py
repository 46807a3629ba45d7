# SPDX-License-Identifier: Apache-2.0
"""A simulation's clock that goes back, jumps ahead or stands still while the arm moves."""

from __future__ import annotations

import signal
import time

import pytest
from policy_graph import active_policy
from waiting import wait_until

from quantvla_ros.errors import QuantVLAError


@pytest.fixture(scope="module")
def simulated(robot, float_bundle, tmp_path_factory):
    """A policy node on the robot's clock, active."""
    with active_policy(
        robot,
        float_bundle,
        tmp_path_factory.mktemp("clock"),
        "use_sim_time:=true",
        "clock_timeout_s:=0.5",
        "max_clock_step_s:=0.5",  # a busy machine may hold the clock's messages back
    ) as policy:
        yield policy
        robot.heal()
        robot.restore_clock()


@pytest.mark.parametrize(("back", "text"), [(1000.0, "went back by"), (-500.0, "jumped ahead by")])
def test_clock_that_jumps(simulated, robot, back, text):
    simulated.bring_to_motion()
    robot.set_clock_back(back)
    simulated.wait_for(f"CLOCK_JUMP: the ROS clock {text}")
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    time.sleep(1.0)  # a window of the former time would begin a motion slowly
    assert robot.at_rest
    with pytest.raises(QuantVLAError, match="CLOCK_JUMP"):
        simulated.client.arm()
    simulated.client.reset_fault()
    simulated.bring_to_motion()
    robot.assert_within_limits()
    simulated.bring_to_dry_run()


@pytest.mark.parametrize("back", [1000.0, -500.0])
def test_jump_in_dry_run_is_no_fault_and_inference_goes_on(simulated, robot, back):
    simulated.wait_for("DRY_RUN")
    robot.set_clock_back(back)
    simulated.wait_for_inputs("fresh")
    chunks = simulated.count("inference", "chunks")
    wait_until(lambda: simulated.count("inference", "chunks") > chunks + 2, 20, "chunks")
    simulated.bring_to_motion()
    robot.assert_within_limits()
    simulated.bring_to_dry_run()


def test_clock_that_stands_still_stops_the_arm_and_lets_the_node_end(simulated, robot):
    simulated.bring_to_motion()
    robot.silent.add("clock")
    simulated.wait_for("CLOCK_JUMP: the ROS clock has stood still")
    wait_until(lambda: robot.at_rest, 5, "rest")
    robot.assert_within_limits()
    begin = time.monotonic()
    assert simulated.process.stop(signal.SIGTERM) == 0, simulated.process.output
    # `ros2 launch` ends the simulation and the node at once, and gives the node 5 s.
    assert time.monotonic() - begin < 4.0
