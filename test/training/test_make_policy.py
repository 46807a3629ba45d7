# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import inspect
import itertools
import json

import pytest

from studies.documents import tables as document_tables
from training import make_policy
from training.make_policy import Stage, make, stages


def stage(name, code):
    return Stage(name, "timeit", ("-n", "1", "-r", "1", code))


def test_stages_that_are_done_are_skipped(tmp_path):
    note = tmp_path / "ran"
    first = stage("first", f"open({str(note)!r}, 'a').write('x')")
    broken = stage("second", "raise SystemExit(3)")
    with pytest.raises(SystemExit, match="second ended with status 1; start again to resume"):
        make([first, broken], tmp_path)
    rows = make([first, stage("second", "pass")], tmp_path)
    assert note.read_text() == "x"
    assert [row["done"] for row in rows] == [True, True]
    spent = json.loads((tmp_path / "stages.json").read_text())
    assert spent["second"]["seconds"] > 0


def test_the_time_of_a_stage_is_noted_while_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(make_policy, "NOTED_S", 0.01)
    note = tmp_path / "stages.json"
    # The stage ends when it has read, in the note, that it is running for some time.
    code = (
        "import json, pathlib\n"
        f"note = pathlib.Path({str(note)!r})\n"
        "while not (note.exists() and json.loads(note.read_text())['long']['seconds']): pass"
    )
    (row,) = make([stage("long", code)], tmp_path)
    assert row["done"] and row["seconds"] > 0


def test_every_stage_names_options_that_exist(tmp_path):
    for item in stages(tmp_path):
        module = importlib.import_module(item.module)
        command = module.evaluate if item.arguments[0] == "evaluate" else module.main
        known = {f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters}
        used = {argument for argument in item.arguments if argument.startswith("--")}
        assert used <= known | {"--episodes"}, item.name


def test_each_training_reads_what_was_made_before(tmp_path):
    made = set()
    for item in stages(tmp_path):
        words = item.arguments
        inputs = [
            w
            for flag, w in itertools.pairwise(words)
            if flag in ("--demos", "--corrections", "--init", "--run", "--bundle")
        ]
        assert set(inputs) <= made, item.name
        made |= {w for flag, w in itertools.pairwise(words) if flag == "--out"}
    assert str(make_policy.BUNDLE) in made


def test_the_record_gives_the_table_of_the_documents(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"stage": "train 1", "seconds": 90.0, "done": True, "command": "python -m train"}]
    monkeypatch.setattr(make_policy, "make", lambda planned, work: rows)
    make_policy.main(tmp_path)
    table = document_tables.markdown(make_policy.RECORD_PATH)
    assert "0.0 h in all" in table and table.endswith("| train 1 | 1.5 |")
