# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import pytest
from evaluation_players import Broken, Mortal, Refusing, jobs
from process_life import import_path

from calib_tools.evaluation.ray_cluster import LOCAL, play_job, play_on_ray
from quantvla_ros.errors import QuantVLAError

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


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
