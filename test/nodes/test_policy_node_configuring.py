# SPDX-License-Identifier: Apache-2.0
"""What reaches the policy node while it is being configured: parameters and signals."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest
from support.policy_graph import PolicyProcess
from support.process_life import alive, children_of
from support.waiting import patient, wait_until

from quantvla_ros.errors import QuantVLAError

FIXED = {"threads": 2, "joint_limits.joint1.max_velocity": 0.5, "use_sim_time": True}


@contextlib.contextmanager
def configuring(policy):
    """Let a thread call configure; whether it succeeds does not matter."""

    def configure():
        with contextlib.suppress(QuantVLAError):
            policy.client.configure(patient(30))

    thread = threading.Thread(target=configure)
    thread.start()
    try:
        yield policy
    finally:
        policy.process.stop(signal.SIGTERM)  # it answers; a killed one would not
        policy.process.close()
        thread.join()
        policy.client.close()


@pytest.fixture
def warming(robot, float_bundle, tmp_path):
    """A policy node whose inference process never gets ready, and the id of that process."""
    policy = PolicyProcess(robot, float_bundle, tmp_path, "backend:=slow_start")
    with configuring(policy):
        pid = policy.process.process.pid
        # In its first moment it is a copy of the node, in the node's group.
        (worker,) = wait_until(
            lambda: [c for c in children_of(pid) if os.getpgid(c) == c], 30, "the inference process"
        )
        yield policy, worker


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_worker_warms_up(warming, number):
    policy, worker = warming
    assert policy.process.stop(number) == 0, policy.process.output
    wait_until(lambda: not alive(worker), 5, "the end of the worker")
    assert "ABORTED: The node is being shut down." in policy.process.output
    assert "BACKEND_ERROR" not in policy.process.output


def test_signal_while_an_input_is_awaited(robot, float_bundle, tmp_path):
    policy = PolicyProcess(robot, float_bundle, tmp_path, "input_timeout_s:=600.0")
    robot.silent.add("wrist")
    try:
        with configuring(policy):
            policy.wait_for("configuring")
            assert policy.process.stop(signal.SIGTERM) == 0, policy.process.output
            assert "ABORTED: The node is being shut down." in policy.process.output
    finally:
        robot.heal()


def test_parameters_are_fixed_already(warming, graph):
    policy, _ = warming
    for name, value in FIXED.items():
        result = graph.ask_parameter(policy.name, name, value)
        assert not result.successful
        assert f"Parameter '{name}' is read when the node is configured" in result.reason
        assert "clean the node up" in result.reason
    graph.set_parameter(policy.name, "max_camera_age_s", 1.5)  # a live one
