# SPDX-License-Identifier: Apache-2.0
"""An evaluation is judged by the node's own session: its refusals, faults and counts."""

from __future__ import annotations

import pytest
from support.holding_policy import Holding

from calib_tools.common.setpoints import ControllerSetup
from calib_tools.evaluate.closed_loop import PARAMETERS, PERIOD_S, ClosedLoop
from calib_tools.evaluate.simulated_session import SimulatedSession
from quantvla_ros.control.config import Mode
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.serving.session import PolicySession

LATENCY_S = 0.1


def started(robot, offset=0.0, parameters=PARAMETERS) -> SimulatedSession:
    robot.reset(5_000_000, 0, -1)
    return SimulatedSession(
        robot, Holding(offset), parameters, lambda: LATENCY_S, ControllerSetup()
    )


def test_the_robots_time_passes_only_in_the_sessions_control_periods(robot):
    playing = started(robot, 0.3)
    playing.arm()
    assert type(playing.session) is PolicySession and playing.session.motion.mode is Mode.ARMED
    before = robot.positions[0]
    for _ in range(50):
        playing.step(PERIOD_S)
    assert robot.time == pytest.approx(50 * PERIOD_S)
    record = playing.session.as_record()
    assert record["withdrawn"] == 0 and record["faults"] == {} and record["chunks"] >= 1
    assert record["jitter_ms"]["max"] < 1e-6, "windows leave at one rate of the simulation's clock"
    assert robot.positions[0] > before + 0.1


def test_a_chunk_comes_when_its_latency_is_over_and_after_another_instruction_not_at_all(robot):
    playing = started(robot)
    playing.arm()
    playing.step(PERIOD_S)
    assert playing.worker.busy
    playing.inputs.instruct("do something else")
    for _ in range(round(LATENCY_S / PERIOD_S)):
        playing.step(PERIOD_S)
    record = playing.session.as_record()
    assert record["skipped"] == {"outdated_chunk": 1} and record["chunks"] == 0
    assert record["latency_ms"] == [pytest.approx(1e3 * LATENCY_S, abs=1e-3)]


def test_a_node_that_would_refuse_to_arm_refuses_here(robot):
    strict = PARAMETERS.model_copy(update={"max_state_deviation": 0.001})
    with pytest.raises(QuantVLAError, match=r"Cannot arm: STATE_OUT_OF_RANGE: joint 'panda"):
        started(robot, parameters=strict).arm()


def test_a_fault_that_stops_the_nodes_motion_ends_the_episode(robot):
    outcome = ClosedLoop(robot, Holding(9.0), lambda: LATENCY_S).play(5_000_000, 0, -1, 4.0)
    assert outcome.fault == "LIMIT_VIOLATION" and outcome.seconds < 3.0
