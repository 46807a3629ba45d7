# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.evaluation_players import outcome

from calib_tools.evaluate.aggregate import aggregates, comparisons
from calib_tools.evaluate.outcome import grounding
from calib_tools.evaluate.plan import plan_episodes
from calib_tools.evaluate.statistics import Paired, Rate

PLAN = plan_episodes({"a": [0], "b": [0]}, ["none"], 4, 0)


def played():
    """First solves all of task a; second fails one of a and fumbles in b."""
    finished = {("first", e.index): outcome(e.task == "a", seconds=2.0 + e.goal) for e in PLAN}
    for e in PLAN:
        success = e.task == "a" and e.index != 0
        more = (
            {"fault": "CHUNK_UNDERRUN", "clamped": 3, "boundary_jump": 0.5} if e.index == 0 else {}
        )
        kind = "told" if e.task == "a" else "other"
        finished[("second", e.index)] = outcome(success, kind, **more)
    return finished


def test_what_moved_first_is_what_was_told_another_or_none():
    assert grounding("milk", "milk") == "told"
    assert grounding("milk", "butter") == "other"
    assert grounding("milk", None) == "none"


def test_figures_of_each_task_and_of_all():
    rows = {(r["variant"], r["task"]): r for r in aggregates(["first", "second"], PLAN, played())}
    assert set(rows) == {(v, t) for v in ("first", "second") for t in ("a", "b", "all")}
    assert rows["first", "a"]["successes"] == rows["first", "a"]["episodes"] == 4
    assert rows["first", "all"]["success"] == 0.5
    assert rows["first", "all"]["interval_95"] == pytest.approx(Rate(4, 8).interval, abs=1e-5)
    goals = sorted(2.0 + e.goal for e in PLAN if e.task == "a")
    assert rows["first", "a"]["seconds_to_success"]["median"] == (goals[1] + goals[2]) / 2
    assert rows["first", "b"]["seconds_to_success"] == {"median": None, "mean": None}
    second = rows["second", "all"]
    assert second["grounding"] == {"told": 4, "other": 4, "none": 0}
    assert second["faults"] == {"CHUNK_UNDERRUN": 1}
    assert (second["clamped"], second["limited"]) == (3, 16)
    assert second["boundary_jump"] == 0.5
    assert second["jerk_rad_s3"] == 20.0


def test_figures_that_a_way_of_playing_does_not_give_stay_empty():
    finished = {key: outcome(jerk_rad_s3=None, clamped=None) for key in played()}
    row = aggregates(["first"], PLAN, finished)[0]
    assert row["jerk_rad_s3"] is row["clamped"] is None


def test_pairs_are_compared_on_the_same_episodes():
    rows = {r["task"]: r for r in comparisons(["first", "second"], PLAN, played())}
    assert rows["a"]["first_only"] == 1
    assert rows["a"]["both"] == 3
    assert rows["b"]["neither"] == 4
    assert rows["all"]["difference"] == -1 / 8
    assert rows["all"]["interval_95"] == pytest.approx(Paired(3, 1, 0, 4).interval(), abs=1e-5)
    assert comparisons(["first"], PLAN, played()) == []


def test_shifts_are_kept_apart():
    plan = plan_episodes({"a": [0]}, ["none", "dim_light"], 2, 0)
    finished = {("x", e.index): outcome(e.shift == "none") for e in plan}
    rates = {r["shift"]: r["success"] for r in aggregates(["x"], plan, finished)}
    assert rates == {"none": 1.0, "dim_light": 0.0, "all": 0.5}
