# SPDX-License-Identifier: Apache-2.0
"""Faults on the simulated robot: real nodes, real topics, physics; the arm is measured at rest."""

from __future__ import annotations

import pytest

from quantvla_ros.control.faults import FaultCode
from studies.fault_study.run import study
from studies.fault_study.table import is_good

CODES = (
    FaultCode.STALE_CAMERA,
    FaultCode.STALE_JOINT_STATE,
    FaultCode.JOINT_STATE_CONFLICT,
    FaultCode.JOINT_JUMP,
    FaultCode.STATE_OUT_OF_RANGE,
    FaultCode.NONFINITE_ACTION,
    FaultCode.CHUNK_UNDERRUN,
    FaultCode.INFERENCE_TIMEOUT,
    FaultCode.WORKER_DIED,
    FaultCode.GRIPPER_FAILED,
)
TRIES = 3
"""On a busy machine a window comes too late now and then, and the controller jumps."""


@pytest.mark.slow
def test_every_fault_brings_the_simulated_arm_to_rest_within_its_limits(tmp_path):
    left = list(CODES)
    for attempt in range(TRIES):
        stops, kills = study(left, 0, tmp_path / str(attempt), print)
        assert [stop["code"] for stop in stops] == [code.value for code in left] and kills == []
        for stop in stops:
            assert stop["measured_at_rest"] and stop["resumed_after_reset"], stop["code"]
        left = [FaultCode(stop["code"]) for stop in stops if not is_good(stop)]
        if not left:
            break
    assert left == []
