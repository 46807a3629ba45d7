# SPDX-License-Identifier: Apache-2.0
"""A simulation's clock that stands still while the arm moves; no other node is in the graph."""

from __future__ import annotations

import signal

from support.policy_graph import active_policy
from support.waiting import wait_until


def test_clock_that_stands_still_stops_the_arm_and_lets_the_node_end(robot, float_bundle, tmp_path):
    """`ros2 launch` ends the simulation and the node at once, and gives the node 5 s."""
    with active_policy(
        robot, float_bundle, tmp_path, "use_sim_time:=true", "clock_timeout_s:=0.5",
        "max_clock_step_s:=0.5", module="support.resting_node",
    ) as policy:  # fmt: skip
        policy.bring_to_motion()
        robot.silent.add("clock")
        try:
            policy.wait_for("CLOCK_JUMP: the ROS clock has stood still")
            wait_until(lambda: robot.at_rest, 5, "rest")
            robot.assert_within_limits()
            assert policy.process.stop(signal.SIGTERM) == 0, policy.process.output
        finally:
            robot.heal()
