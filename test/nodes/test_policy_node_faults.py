# SPDX-License-Identifier: Apache-2.0
"""Every fault provoked from outside: the arm rests, the fault is named and latched, and left."""

from __future__ import annotations

import os
import signal

import pytest
from policy_graph import PolicyProcess
from waiting import wait_until

from quantvla_ros.errors import QuantVLAError


def provoke(policy, fault):
    """Disturb a running system from outside."""
    if fault == "STALE_CAMERA":
        policy.robot.silent.add("wrist")
    elif fault == "STALE_JOINT_STATE":
        policy.robot.silent.add("joint_states")
    elif fault == "WORKER_DIED":
        os.kill(policy.worker_pid(), signal.SIGKILL)
    else:
        policy.behave(
            {
                "NONFINITE_ACTION": "nan",
                "CHUNK_UNDERRUN": "old",
                "INFERENCE_TIMEOUT": "hang",
                "BACKEND_ERROR": "raise",
            }[fault]
        )


@pytest.mark.parametrize(
    "fault",
    [
        "STALE_CAMERA",
        "STALE_JOINT_STATE",
        "NONFINITE_ACTION",
        "CHUNK_UNDERRUN",
        "INFERENCE_TIMEOUT",
        "WORKER_DIED",
        "BACKEND_ERROR",
    ],
)
def test_fault_stops_the_arm_and_is_left_by_reset_and_arm_only(moving, robot, fault):
    provoke(moving, fault)
    moving.wait_for(f"{fault}: ")
    wait_until(lambda: robot.at_rest, 10, "rest")
    robot.assert_within_limits()

    moving.behave("ok")
    robot.silent.clear()
    count = len(robot.windows)
    with pytest.raises(QuantVLAError, match=fault):
        moving.client.arm()
    moving.client.reset_fault()
    moving.wait_for("DRY_RUN")
    assert len(robot.windows) == count, "something was commanded before arming"
    with pytest.raises(QuantVLAError, match="no fault"):
        moving.client.reset_fault()

    wait_until(lambda: moving.client.diagnostics("inputs")[0] == "fresh", 10, "fresh inputs")
    moving.client.arm()
    wait_until(lambda: robot.speed > 0.05, 10, "motion")
    robot.assert_within_limits()
    values = moving.client.diagnostics("control")[1]
    wait_until(
        lambda: int(moving.client.diagnostics("control")[1].get(f"fault_{fault}", 0)) >= 1,
        5,
        f"the count of {fault} in {values}",
    )


def test_silent_camera_in_dry_run_is_a_warning_and_arming_is_refused(policy, robot):
    policy.bring_to_dry_run()
    robot.silent.add("front")
    wait_until(lambda: "STALE_CAMERA" in policy.client.diagnostics("inputs")[0], 10, "the warning")
    assert policy.message == "DRY_RUN"
    with pytest.raises(QuantVLAError, match=r"STALE_CAMERA: .*'front'"):
        policy.client.arm()
    policy.bring_to_dry_run()


def test_ros_clock_that_goes_back_or_stands_still(robot, float_bundle, tmp_path):
    policy = PolicyProcess(
        robot, float_bundle, tmp_path, "use_sim_time:=true", "clock_timeout_s:=0.5"
    )
    try:
        policy.client.configure()
        policy.client.activate()
        policy.bring_to_motion()
        robot.set_clock_back(1000.0)
        policy.wait_for("CLOCK_JUMP: the ROS clock went back by")
        wait_until(lambda: robot.at_rest, 5, "rest")
        with pytest.raises(QuantVLAError, match="CLOCK_JUMP"):
            policy.client.arm()
        policy.client.reset_fault()
        wait_until(lambda: policy.client.diagnostics("inputs")[0] == "fresh", 10, "fresh inputs")
        policy.bring_to_motion()
        robot.assert_within_limits()

        robot.silent.add("clock")
        policy.wait_for("CLOCK_JUMP: the ROS clock has stood still")
        wait_until(lambda: robot.at_rest, 5, "rest")
        robot.assert_within_limits()
        # Neither does it keep the node from ending.
        assert policy.process.stop(signal.SIGTERM) == 0, policy.process.output
    finally:
        robot.silent.clear()
        robot.restore_clock()
        policy.close()
