# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.errors import QuantVLAError
from studies.documents.tables import markdown as of_any_record
from studies.fault_study.scenarios import SCENARIOS
from studies.fault_study.table import KIND, RECORD, figure, is_good, markdown
from studies.study import read_study

STOP = {
    "code": "STALE_CAMERA", "provoked_by": "the camera falls silent", "message": "STALE_CAMERA: x",
    "raised_after_s": 0.52, "speed_ratio": 0.31, "stop_s": 0.48, "acceleration_ratio": 0.62,
    "velocity_ratio": 0.31, "jerk_ratio": 0.44, "rests": True, "measured_at_rest": True,
    "resumed_after_reset": True,
    "curve": {"time_s": [-0.1, 0.0, 0.1], "velocities": [[0.5, 0.1], [0.5, 0.1], [0.0, 0.0]]},
}  # fmt: skip


def record(**changes):
    return {
        "kind": KIND,
        "schema": 1,
        "command": [],
        "machine": {},
        "stops": [{**STOP, **changes}],
        "kills": [],
    }


def test_table_has_a_row_for_each_stop(tmp_path):
    path = tmp_path / RECORD
    path.write_text(json.dumps(record()))
    row = markdown(read_study(path, KIND)).splitlines()[-1]
    assert row == (
        "| `STALE_CAMERA` | the camera falls silent | 0.52 s | 31% of full speed | 0.48 s | "
        "62% of the limit | 44% of the limit | yes |"
    )
    assert of_any_record(path) == markdown(read_study(path, KIND))


@pytest.mark.parametrize("of", ["velocity", "acceleration", "jerk"])
def test_no_limit_may_be_passed(of):
    assert is_good(STOP) and is_good({**STOP, f"{of}_ratio": 1.0})
    assert not is_good({**STOP, f"{of}_ratio": 1.001})


@pytest.mark.parametrize("name", ["rests", "measured_at_rest"])
def test_arm_that_did_not_rest_stands_out(name):
    assert markdown(record(**{name: False})).endswith("| NO |")


def test_kills_are_counted():
    kills = [STOP, {**STOP, "stop_s": 0.71}, {**STOP, "acceleration_ratio": 1.2}]
    text = markdown({**record(), "kills": kills}).splitlines()[-1]
    assert "killed at 3 random moments: 2 of 3 times" in text
    assert "0.71 s" in text


def test_figure_repeats_and_names_the_faults():
    drawn = figure(record())
    assert "STALE_CAMERA" in drawn
    assert drawn == figure(record())


def test_another_record_is_refused(tmp_path):
    path = tmp_path / RECORD
    path.write_text('{"kind": "another"}')
    with pytest.raises(QuantVLAError, match=r"no record of `python -m studies.fault_study`"):
        read_study(path, KIND)


def test_every_fault_has_a_scenario():
    assert set(SCENARIOS) == set(FaultCode)
