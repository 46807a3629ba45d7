# SPDX-License-Identifier: Apache-2.0
"""The study of the experts: its record, and the table that it gives."""

from __future__ import annotations

import pytest

from simulation.robot import SimulatedRobot
from studies import experts as expert_study
from studies.documents import tables as document_tables
from studies.study import read_study


def test_every_family_is_played_and_the_table_has_its_interval(tmp_path):
    record = tmp_path / expert_study.RECORD
    expert_study.main(["--out", str(record), "--seeds", "2"])
    rows = read_study(record, expert_study.KIND)["rows"]
    assert [row["solved"] for row in rows] == [2, 2, 2, 2]
    assert all(20 < row["longest_ticks"] < expert_study.LONGEST_TICKS for row in rows)
    table = document_tables.markdown(record)
    assert "| pick_place | 2 of 2 | 100.0 % | 34.2 % to 100.0 % |" in table


def test_a_scene_that_is_not_solved_is_named(monkeypatch):
    monkeypatch.setattr(SimulatedRobot, "success", lambda robot: False)
    row = expert_study.play(("stack", 1))
    assert (row["solved"], row["failed_seeds"]) == (0, [0])


def test_no_seeds_are_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        expert_study.main(["--out", str(tmp_path / "r.json"), "--seeds", "0"])
    assert end.value.code == 2 and "--seeds must be 1 or more" in capsys.readouterr().err
