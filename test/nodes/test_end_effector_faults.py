# SPDX-License-Identifier: Apache-2.0
"""What stops a policy of twists: each stop is a ramp, zeros for a while, and then silence."""

from __future__ import annotations

import os
import signal

import pytest
from support.tip_robot import PARAMETERS, TipRobot, write_tip_bundle
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
    return PARAMETERS


def silence_a_camera(policy):
    policy.robot.silent.add("wrist")


def kill_the_worker(policy):
    os.kill(policy.worker_pid(), signal.SIGKILL)


def damage_a_chunk(policy):
    policy.behave("nan")


@pytest.mark.parametrize(
    ("provoke", "fault"),
    [
        (silence_a_camera, "STALE_CAMERA"),
        (kill_the_worker, "WORKER_DIED"),
        (damage_a_chunk, "NONFINITE_ACTION"),
    ],
)
def test_fault_stops_the_tip_and_is_left_by_reset_and_arm_only(moving, robot, provoke, fault):
    provoke(moving)
    moving.wait_for(f"{fault}: ", 20)
    wait_until(lambda: robot.silence > 0.5 and robot.at_rest, 20, "silence")
    robot.assert_stopped()
    robot.assert_within_limits()
    count = len(robot.twists), len(robot.grips)
    with pytest.raises(QuantVLAError, match=f"{fault}"):
        moving.client.arm()

    moving.behave("ok")
    robot.heal()
    moving.client.reset_fault()
    moving.wait_for("DRY_RUN")
    moving.wait_for_inputs("fresh")
    assert (len(robot.twists), len(robot.grips)) == count, "something was commanded before arming"
    moving.client.arm()
    wait_until(lambda: robot.speed > 0.05, 10, "motion")
    robot.assert_within_limits()


def test_sigterm_while_the_tip_moves(policy, robot):
    policy.bring_to_motion()
    assert policy.process.stop(signal.SIGTERM) == 0, policy.process.output
    wait_until(lambda: robot.silence > 0.5, 10, "silence")
    robot.assert_stopped()
    robot.assert_within_limits()
