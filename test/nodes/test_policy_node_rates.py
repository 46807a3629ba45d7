# SPDX-License-Identifier: Apache-2.0
"""The slowest and the fastest control rate on a real graph."""

from __future__ import annotations

import pytest
from support.policy_graph import active_policy, assert_rhythm
from support.waiting import wait_until

from quantvla_ros.serving.stamps import seconds_of


def begin(window) -> float:
    return seconds_of(window.header.stamp) + seconds_of(window.points[0].time_from_start)


@pytest.mark.parametrize("rate", [20, 200])
def test_the_arm_moves_and_stops_within_its_limits(robot, float_bundle, tmp_path, rate):
    with active_policy(robot, float_bundle, tmp_path, f"control_rate_hz:={rate}.0") as policy:
        policy.bring_to_dry_run()
        policy.bring_to_motion()
        first = len(robot.windows)
        wait_until(lambda: len(robot.windows) > first + max(60, rate), 20, "windows")
        assert_rhythm([begin(window) for window in robot.windows[first:]], 1 / rate)
        robot.silent.add("wrist")
        policy.wait_for("STALE_CAMERA: ")
        wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
        robot.assert_within_limits()
        policy.bring_to_dry_run()
