# SPDX-License-Identifier: Apache-2.0
"""A blocked executor, a stalled process, a worker that dies, hangs or damages what it answers."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
import pytest
from std_msgs.msg import String
from support.blocking_node import THREADS
from support.policy_graph import active_policy
from support.waiting import wait_until


@pytest.fixture(scope="module")
def policy(robot, float_bundle, tmp_path_factory):
    """A policy node whose executor can be blocked, active."""
    folder = tmp_path_factory.mktemp("disturbed")
    with active_policy(robot, float_bundle, folder, module="support.blocking_node") as policy:
        yield policy


def test_blocked_executor_does_not_disturb_the_motion(moving, robot, graph, tmp_path):
    publisher = graph.publisher(String, f"/{moving.name}/block", 1, readers=THREADS)
    publisher.publish(String(data=str(tmp_path)))
    try:
        wait_until(lambda: len(list(tmp_path.iterdir())) == THREADS, 10, "all threads blocked")
        count = len(robot.windows)
        wait_until(lambda: len(robot.windows) > count + 50, 20, "1 s of windows")
        assert robot.speed > 0.0
    finally:
        (tmp_path / "release").touch()
    assert moving.message == "ARMED"
    robot.assert_within_limits()


def test_process_that_stalls_goes_on_without_a_jump(moving, robot):
    os.kill(moving.process.process.pid, signal.SIGSTOP)
    time.sleep(0.3)  # this is the stall, not a wait
    os.kill(moving.process.process.pid, signal.SIGCONT)
    count = len(robot.windows)
    wait_until(lambda: len(robot.windows) > count + 50, 20, "1 s of windows")
    assert moving.message == "ARMED"
    robot.assert_within_limits()


@pytest.mark.parametrize("round_", range(3))
def test_worker_killed_at_a_random_moment(moving, robot, round_):
    worker = moving.worker_pid()
    count = len(robot.windows) + random.randrange(60)
    wait_until(lambda: len(robot.windows) > count, 20, "some windows")
    os.kill(worker, signal.SIGKILL)
    moving.wait_for("WORKER_DIED: ")
    # The signal is told where the system is done with the process so soon; a busy one is not.
    assert any(words in moving.message for words in ("SIGKILL (out of memory?)", "closed its"))
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    moving.client.reset_fault()
    wait_until(lambda: moving.worker_pid() != worker, 10, "another worker")
    moving.bring_to_motion()


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        ("memory", "BACKEND_ERROR: the backend raised MemoryError"),
        ("garbage", "BACKEND_ERROR: the inference worker"),
        ("noise", "BACKEND_ERROR: the inference worker"),
    ],
)
def test_damage_by_the_worker_stops_the_arm_and_a_reset_mends_it(moving, robot, mode, fault):
    moving.behave(mode)
    moving.wait_for(fault)
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    moving.behave("ok")
    moving.client.reset_fault()
    moving.bring_to_motion()


def test_fault_during_the_blend_in_and_during_the_deceleration(policy, robot):
    policy.bring_to_dry_run()
    robot.forget()
    before, worker = policy.count("control", "fault_WORKER_DIED"), policy.worker_pid()
    policy.client.arm()
    # The first chunk takes over from rest: what moves now is its cross-fade.
    wait_until(lambda: not robot.at_rest, 10, "motion")
    robot.measure = lambda positions: positions + np.array([0.0, 3.0, 0.0])
    policy.wait_for("JOINT_JUMP: joint 'joint2' is measured at")
    decelerating = not robot.at_rest
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: robot.silence > 0.3 and robot.at_rest, 10, "rest")
    wait_until(
        lambda: policy.count("control", "fault_WORKER_DIED") > before, 10, "the second fault"
    )
    assert policy.message.startswith("JOINT_JUMP: ")
    robot.assert_within_limits()
    policy.bring_to_dry_run()
    if not decelerating:
        pytest.skip("this machine is too busy to meet the arm while it decelerates")


def test_deactivation_and_shutdown_of_a_moving_arm_with_a_fault(moving, robot):
    robot.silent.add("wrist")
    moving.wait_for("STALE_CAMERA: ")
    moving.client.deactivate()
    wait_until(lambda: robot.at_rest, 10, "rest")
    robot.assert_within_limits()
    assert moving.message.startswith("STALE_CAMERA: "), "it is latched"
    robot.heal()
    moving.client.activate()
    moving.wait_for("STALE_CAMERA: ")
    moving.client.reset_fault()
    moving.bring_to_motion()
