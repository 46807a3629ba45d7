# SPDX-License-Identifier: Apache-2.0
"""A figure of other curves than its record's is found, and drawn anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studies.documents import tables as document_tables
from studies.fault_study.table import KIND

((FIGURE, RECORD),) = document_tables.FIGURES.items()


def write_record(speed: float) -> None:
    curve = {"time_s": [-0.1, 0.0], "velocities": [[0.5, 0.1], [speed, 0.1]]}
    stop = {"code": "STALE_CAMERA", "curve": curve}
    record = {"kind": KIND, "schema": 1, "command": [], "machine": {}, "stops": [stop], "kills": []}
    Path(RECORD).write_text(json.dumps(record))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a record of stops and no figure yet."""
    monkeypatch.chdir(tmp_path)
    for name in (RECORD, FIGURE, "policies/README.md", "README.md"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
    for name in ("policies/README.md", "README.md"):
        Path(name).write_text("no table here\n")
    write_record(0.5)
    return tmp_path


def test_a_figure_is_drawn_once_and_again_when_its_record_changes(house, capsys) -> None:
    for speed in (0.5, 0.4):
        write_record(speed)
        assert document_tables.main(["--check"]) == 1
        assert FIGURE in capsys.readouterr().err
        assert document_tables.main([]) == 0
        assert document_tables.main(["--check"]) == 0
        assert "STALE_CAMERA" in Path(FIGURE).read_text(encoding="utf-8")


def test_what_no_curve_changes_needs_no_new_figure(house) -> None:
    document_tables.main([])
    record = json.loads(Path(RECORD).read_text())
    Path(RECORD).write_text(json.dumps({**record, "command": ["another"]}, indent=1))
    assert document_tables.main(["--check"]) == 0
