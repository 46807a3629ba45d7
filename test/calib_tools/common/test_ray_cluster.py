# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os

import pytest
from support.evaluation_players import Broken, Hesitant, Mortal, Refusing, jobs
from support.process_life import import_path

from calib_tools.common.ray_cluster import LOCAL, play_job, play_on_ray
from calib_tools.evaluate import run as run_module
from calib_tools.evaluate.record import RECORD
from calib_tools.evaluate.run import evaluate
from calib_tools.evaluate.settings import Asked, make_settings
from calib_tools.evaluate.store import EPISODES
from calib_tools.evaluate.variants import Variant
from quantvla_ros.errors import QuantVLAError

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def importable_in_workers(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", import_path())


def test_a_local_ray_of_two_workers_plays_all_and_redoes_what_a_dead_worker_had(tmp_path):
    played = list(play_on_ray(jobs(8, tmp_path), LOCAL, 2, Mortal))
    assert (tmp_path / "died").exists()
    assert sorted(job.episode.index for job, _ in played) == list(range(8))
    assert all(outcome.seconds == job.episode.index for job, outcome in played)
    players = {path.name.split("_")[1] for path in tmp_path.glob("played_*")}
    assert str(os.getpid()) not in players


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(QuantVLAError, match=r"No Ray cluster answers at '127\.0\.0\.1:1'"):
        list(play_on_ray(jobs(1, tmp_path), "127.0.0.1:1", 1, Mortal))


def test_a_refusal_travels_as_a_value_and_a_mistake_as_an_error(tmp_path):
    (job,) = jobs(1, tmp_path)
    refusal = play_job(job, Refusing)
    assert isinstance(refusal, QuantVLAError)
    assert str(refusal) == "The bundle was changed."
    with pytest.raises(ZeroDivisionError):
        play_job(job, Broken)


def test_an_evaluation_on_ray_goes_on_after_a_stop(tmp_path, monkeypatch):
    def play_here(jobs, workers, make_player):
        assert not jobs, "played on this machine and not on Ray"
        return iter(())

    monkeypatch.setattr(run_module, "make_player", Hesitant)
    monkeypatch.setattr(run_module, "play_in_processes", play_here)
    variants = []
    for label in ("float", "int8"):
        (tmp_path / label).mkdir()
        variants.append(Variant(label, tmp_path / label, f"{label:0>64}"))
    settings = make_settings(variants, Asked(["pick_place"], 8))
    out = tmp_path / "out"

    def finished():
        rows = [json.loads(line) for line in (out / EPISODES).read_text().splitlines()]
        return [(row["variant"], row["index"]) for row in rows]

    with pytest.raises(QuantVLAError, match="Not today"):
        evaluate(variants, settings, out, workers=2, ray=LOCAL)
    kept = finished()
    assert kept and ("float", 4) not in kept
    assert not (out / RECORD).exists()
    (tmp_path / "int8" / "refused").touch()  # no second refusal
    for mark in tmp_path.glob("*/played_*"):
        mark.unlink()
    record = evaluate(variants, settings, out, workers=2, ray=LOCAL)
    every = [(label, index) for label in ("float", "int8") for index in range(8)]
    again = [(m.parent.name, int(m.name.split("_")[2])) for m in tmp_path.glob("*/played_*")]
    assert sorted(again) == sorted(set(every) - set(kept))
    assert finished()[: len(kept)] == kept
    assert sorted(finished()) == every
    assert record["speed"]["episodes"] == 16 - len(kept)
    assert [a["episodes"] for a in record["aggregates"]] == [8, 8]
    assert all(e["seconds"] == e["index"] for e in record["episodes"])
