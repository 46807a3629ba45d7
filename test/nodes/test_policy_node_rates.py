# SPDX-License-Identifier: Apache-2.0
"""The slowest and the fastest control rate on a real graph."""

from __future__ import annotations

import time

import numpy as np
import pytest
from policy_graph import active_policy
from waiting import wait_until

from quantvla_ros.nodes.conversion import duration_to_seconds, stamp_to_seconds


def begin(window) -> float:
    return stamp_to_seconds(window.header.stamp) + duration_to_seconds(
        window.points[0].time_from_start
    )


@pytest.mark.parametrize("rate", [20, 200])
def test_the_arm_moves_and_stops_within_its_limits(robot, float_bundle, tmp_path, rate):
    with active_policy(robot, float_bundle, tmp_path, f"control_rate_hz:={rate}.0") as policy:
        policy.bring_to_dry_run()
        policy.bring_to_motion()
        first = len(robot.windows)
        time.sleep(2.0)
        begins = np.array([begin(window) for window in robot.windows[first:]])
        # A busy machine may withhold some; those that come keep the rhythm.
        assert len(begins) > 0.5 * 2.0 * rate
        assert np.median(np.diff(begins)) == pytest.approx(1 / rate, rel=0.2)
        robot.silent.add("wrist")
        policy.wait_for("STALE_CAMERA: ")
        wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
        robot.assert_within_limits()
        policy.bring_to_dry_run()
