# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.evaluation_players import outcome, settings

from calib_tools.evaluate.plan import plan_episodes
from calib_tools.evaluate.record import make_record
from quantvla_ros.errors import QuantVLAError
from studies.documents import tables as document_tables

RECORD = "docs/records/policy-evaluation.json"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an evaluation and a README whose table is still empty."""
    plan = plan_episodes({"pick_place": [-1]}, ["none"], 20, 0)
    finished = {("float", e.index): outcome() for e in plan}
    finished |= {("int8", e.index): outcome(e.index != 3) for e in plan}
    speed = {"episodes": 40, "seconds": 30.0, "workers": 2, "episodes_per_minute": 80.0}
    latency = {"float": 120.0, "int8": 80.0}
    record = make_record(settings(("float", "int8"), 20), latency, plan, finished, None, speed, [])
    monkeypatch.chdir(tmp_path)
    Path(RECORD).parent.mkdir(parents=True)
    Path(RECORD).write_text(json.dumps(record))
    Path("policies").mkdir()
    Path("policies/README.md").write_text("no table here\n")
    Path("README.md").write_text(
        f"before\n<!-- record {RECORD} -->\n{document_tables.END}\nafter\n", encoding="utf-8"
    )
    return tmp_path


def test_writing_then_checking_agrees_and_keeps_the_rest(house: Path) -> None:
    assert document_tables.main(["--check"]) == 1
    assert document_tables.main([]) == 0
    assert document_tables.main(["--check"]) == 0
    text = Path("README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert "| int8 | pick_place | none | 19 of 20 | 95.0 % |" in text
    assert "| float, int8 | pick_place | none | 20 | -5.0 |" in text
    assert sorted(path.name for path in house.iterdir()) == ["README.md", "docs", "policies"]


def test_check_fails_on_a_typed_figure(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document_tables.main([])
    readme = Path("README.md")
    readme.write_text(readme.read_text().replace("19 of 20", "20 of 20"))
    assert document_tables.main(["--check"]) == 1
    assert "README.md" in capsys.readouterr().err
    assert "| int8 | pick_place | none | 20 of 20" in readme.read_text()


def test_a_missing_record_is_one_sentence(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path(RECORD).unlink()
    assert document_tables.main(["--check"]) == 1
    assert RECORD in capsys.readouterr().err


def test_a_mark_without_its_other_one_is_refused(house: Path) -> None:
    for text in (f"<!-- record {RECORD} -->\n", f"a {document_tables.END}"):
        with pytest.raises(QuantVLAError, match="needs"):
            document_tables.filled(text, "a.md", house)


def test_another_record_is_shown(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert document_tables.main(["--record", RECORD]) == 0
    assert "| 19 of 20 |" in capsys.readouterr().out
    damaged = house / "summary.json"
    damaged.write_text("{")
    assert document_tables.main(["--record", str(damaged)]) == 1
