# SPDX-License-Identifier: Apache-2.0
"""The policy node's life from start to end, whatever ends it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from support.policy_graph import PolicyProcess
from support.process_life import alive
from support.waiting import patient, wait_until

from quantvla_ros.errors import QuantVLAError


@pytest.fixture
def alone(robot, float_bundle, tmp_path):
    """A policy node of the test's own, which may end: armed, and with the robot moving."""
    policy = PolicyProcess(robot, float_bundle, tmp_path)
    try:
        policy.client.configure()
        policy.client.activate()
        policy.bring_to_motion()
        yield policy
    finally:
        policy.close()


def test_a_fault_outlives_cleanup_and_is_left_by_a_reset_only(alone, robot):
    alone.behave("nan")
    alone.wait_for("NONFINITE_ACTION: ")
    alone.client.deactivate()
    alone.client.cleanup()
    alone.behave("ok")
    alone.client.configure()
    alone.client.activate()
    alone.wait_for("NONFINITE_ACTION: ")
    with pytest.raises(QuantVLAError, match="NONFINITE_ACTION is latched"):
        alone.client.arm()
    alone.client.reset_fault()
    alone.wait_for("DRY_RUN")
    alone.bring_to_motion()
    robot.assert_within_limits()


def test_whole_life_cycle(robot, float_bundle, tmp_path):
    policy = PolicyProcess(robot, float_bundle, tmp_path)
    try:
        assert policy.client.state() == "unconfigured"
        with pytest.raises(QuantVLAError, match="not configured"):
            policy.client.arm()
        policy.client.configure()
        assert policy.client.state() == "inactive"
        pid = policy.process.process.pid
        assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()
        worker = policy.worker_pid()
        policy.client.activate()
        policy.bring_to_motion()
        begun = len(robot.windows)
        wait_until(lambda: len(robot.windows) > begun + 10, 20, "windows of the moving arm")
        policy.client.deactivate()
        assert policy.client.state() == "inactive"
        wait_until(lambda: robot.at_rest, 5, "rest")
        robot.assert_within_limits()
        record = json.loads(policy.record.read_text())
        assert record["published"] >= len(robot.windows) > 0
        assert record["motion"]["max_velocity_ratio"] <= 1.0
        assert record["motion"]["max_acceleration_ratio"] <= 1.0
        assert record["faults"] == {}
        assert len(record["latency_ms"]) > 0
        stages = {"decode", "denoise", "denoise_step_1", "denoise_step_2", "splice", "publish"}
        assert stages <= set(record["histograms"])
        assert sum(record["histograms"]["splice"]) == len(record["stages_ms"]["publish"]) > 0
        assert record["motion"]["rms_jerk"] > 0 and record["motion"]["max_jerk_ratio"] <= 1.0
        assert 0 < record["motion"]["max_tracking_error"] < 0.5
        policy.client.activate()
        policy.wait_for("DRY_RUN")
        policy.client.deactivate()
        policy.client.cleanup()
        assert policy.client.state() == "unconfigured"
        assert not Path(f"/proc/{worker}").exists()
        policy.client.configure()
        policy.client.activate()
        policy.bring_to_motion()
        worker = policy.worker_pid()
        policy.client.shutdown()
        assert policy.client.state() == "finalized"
        wait_until(lambda: robot.at_rest, 5, "rest")
        robot.assert_within_limits()
        assert not alive(worker)
        assert policy.process.stop(signal.SIGINT) == 0
    finally:
        policy.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_moving_ends_at_rest(alone, robot, number):
    worker = alone.worker_pid()
    assert alone.process.stop(number) == 0, alone.process.output
    wait_until(lambda: not alive(worker), 5, "the end of the worker")
    wait_until(lambda: robot.at_rest, 5, "rest")
    robot.assert_within_limits()
    # The last window commands rest from its first point on: the node stopped the arm itself.
    last = robot.windows[-1]
    assert np.abs([p.velocities for p in last.points]).max() < 0.2


def test_killed_node_leaves_an_arm_that_stops_and_no_worker(alone, robot):
    worker = alone.worker_pid()
    os.kill(alone.process.process.pid, signal.SIGKILL)
    wait_until(lambda: robot.at_rest, 5, "rest")
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), 10, "the end of the worker")
    # Its shared memory has no name, so nothing of it can be left.
    assert [name for name in os.listdir("/dev/shm") if "quantvla" in name] == []
    robot.assert_within_limits()


def test_wrong_parameter_at_start_is_one_sentence(robot, float_bundle, tmp_path):
    policy = PolicyProcess(robot, float_bundle, tmp_path, "control_rate_hz:=5.0")
    try:
        assert policy.process.process.wait(patient(20)) == 1
        assert policy.process.output.strip().splitlines()[-1] == (
            "Parameter 'control_rate_hz' must be of type double from 20 to 200 (write 1.0, not 1)."
        )
    finally:
        policy.close()
