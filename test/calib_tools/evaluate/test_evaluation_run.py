# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.evaluation_players import Mortal, Quick, made_up
from support.process_life import import_path
from support.waiting import wait_until

from calib_tools.common.stopping import Stopped
from calib_tools.evaluate import run as run_module
from calib_tools.evaluate.plan import PlannedEpisode
from calib_tools.evaluate.record import RECORD, read_record
from calib_tools.evaluate.run import evaluate
from calib_tools.evaluate.store import EPISODES
from quantvla_ros.errors import QuantVLAError


def played(folder: Path) -> int:
    return len(list(folder.glob("played_*")))


def lines(out: Path) -> list[tuple[str, int]]:
    rows = [json.loads(line) for line in (out / EPISODES).read_text().splitlines()]
    return [(row["variant"], row["index"]) for row in rows]


def test_every_variant_plays_every_episode_and_the_record_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "make_player", Quick)
    variants, settings = made_up(tmp_path / "notes")
    record = evaluate(variants, settings, tmp_path / "out", workers=2)
    assert record == read_record(tmp_path / "out" / RECORD)
    assert len(record["episodes"]) == 12
    assert [a["episodes"] for a in record["aggregates"]] == [6, 6]
    assert record["comparisons"][0]["both"] == 6
    assert record["settings"]["variants"][0]["bundle_sha256"] == variants[0].sha256
    assert record["speed"]["episodes"] == 12
    assert record["cpu"]["model"]
    assert record["latency_ms"] == {"float": 120.0, "int8": 120.0}
    seeds = {
        v: [e["seed"] for e in record["episodes"] if e["variant"] == v] for v in ("float", "int8")
    }
    assert seeds["float"] == seeds["int8"]


def test_a_finished_evaluation_plays_nothing_again(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "make_player", Quick)
    variants, settings = made_up(tmp_path / "notes")
    first = evaluate(variants, settings, tmp_path / "out", workers=1)
    before = played(tmp_path / "notes")
    second = evaluate(variants, settings, tmp_path / "out", workers=1)
    assert played(tmp_path / "notes") == before
    assert second["aggregates"] == first["aggregates"]
    assert second["speed"]["episodes"] == 0


def test_a_worker_that_dies_costs_no_episode_and_none_is_counted_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "make_player", Mortal)
    variants, settings = made_up(tmp_path / "notes", labels=("float",))
    record = evaluate(variants, settings, tmp_path / "out", workers=2)
    assert (tmp_path / "notes" / "died").exists()
    assert sorted(lines(tmp_path / "out")) == [("float", i) for i in range(6)]
    assert record["aggregates"][0]["episodes"] == 6


def test_ctrl_c_keeps_what_is_finished_and_says_how_much(tmp_path, monkeypatch):
    variants, settings = made_up(tmp_path / "notes", labels=("float",))

    def interrupted(jobs, workers, make_player):
        player = Quick()
        for job in jobs[:3]:
            yield job, player.play(job)
        raise Stopped(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "play_in_processes", interrupted)
        with pytest.raises(Stopped) as stopped:
            evaluate(variants, settings, tmp_path / "out")
    assert stopped.value.text == "Stopped by SIGINT with 3 of 6 episodes finished"
    assert not (tmp_path / "out" / RECORD).exists()
    monkeypatch.setattr(run_module, "make_player", Quick)
    record = evaluate(variants, settings, tmp_path / "out", workers=1)
    assert record["speed"]["episodes"] == 3
    assert lines(tmp_path / "out") == [("float", i) for i in range(6)]


def test_kill_9_loses_no_finished_episode(tmp_path, monkeypatch):
    folder, out = tmp_path / "notes", tmp_path / "out"
    variants, settings = made_up(folder, labels=("float",))
    script = tmp_path / "evaluation.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from calib_tools.evaluate import run\n"
        "from support.evaluation_players import Stuck, made_up\n"
        "if __name__ == '__main__':\n"
        "    run.make_player = Stuck\n"
        "    variants, settings = made_up(Path(sys.argv[1]), labels=('float',))\n"
        "    run.evaluate(variants, settings, Path(sys.argv[2]), workers=1)\n"
    )
    child = subprocess.Popen(
        [sys.executable, script, folder, out],
        env={**os.environ, "PYTHONPATH": import_path()},
    )
    try:
        wait_until(lambda: (folder / "stuck").exists() and len(lines(out)) == 4, 90)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    monkeypatch.setattr(run_module, "make_player", Quick)
    evaluate(variants, settings, out, workers=1)
    assert lines(out) == [("float", i) for i in range(6)]
    assert json.loads((out / RECORD).read_text())["speed"]["episodes"] == 2


def test_the_sequential_rule_ends_at_a_look_and_counts_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(run_module, "make_player", Quick)
    variants, settings = made_up(tmp_path / "notes", 800, stop_when_decided=True)

    def play(jobs, workers, make_player):
        player = Quick()
        for job in jobs:
            yield job, player.play(job)

    monkeypatch.setattr(run_module, "play_in_processes", play)
    record = evaluate(variants, settings, tmp_path / "out", workers=1)
    assert record["decisions"] == {"episodes": 160, "decisions": {"float | int8": "equal"}}
    assert record["aggregates"][0]["episodes"] == 160
    assert len(record["episodes"]) == len(lines(tmp_path / "out")) == 320


def test_a_record_of_another_version_is_refused(tmp_path):
    path = tmp_path / RECORD
    for content, sentence in (
        ('{"kind": "quantvla evaluation", "schema": 99}', "has schema 99 and this package knows 1"),
        ('{"schema": 1}', "is no record of `quantvla evaluate`"),
        ("{", "cannot be read"),
    ):
        path.write_text(content)
        with pytest.raises(QuantVLAError, match=sentence):
            read_record(path)


def test_the_plan_does_not_depend_on_the_variants(tmp_path):
    _, one = made_up(tmp_path / "a", labels=("float",))
    _, two = made_up(tmp_path / "b", labels=("int8", "float"))
    assert one.plan() == two.plan()
    assert all(isinstance(episode, PlannedEpisode) for episode in one.plan())
