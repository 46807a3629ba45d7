# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from calib_tools.evaluate.plan import PlannedEpisode, plan_episodes
from calib_tools.evaluate.presets import PRESETS
from calib_tools.evaluate.settings import Asked, make_settings
from calib_tools.evaluate.variants import Variant
from quantvla_ros.errors import QuantVLAError
from simulation.shifts import SHIFTS
from simulation.tasks.registry import make_task

FLOAT = Variant("float", Path("float"), "0" * 64)
CHANGED = Variant(
    "float@odd", Path("float"), "0" * 64, SimpleNamespace(label="odd", identity="odd")
)


def test_each_scene_is_played_with_two_goals_and_beginnings_are_balanced():
    plan = plan_episodes({"a": [-1, -2], "b": [-1]}, ["none", "dim_light+image_noise"], 6, 100)
    assert [e.index for e in plan] == list(range(24))
    assert Counter((e.task, e.shift) for e in plan[:8]) == Counter(
        {(t, s): 2 for t in "ab" for s in ("none", "dim_light+image_noise")}
    )
    scene = [e for e in plan if e.task == "a" and e.shift == "none" and e.seed == 101]
    assert [e.goal for e in scene] == [1, 2]
    assert [e.wording for e in scene] == [-2, -2]
    assert {e.seed for e in plan} == {100, 101, 102}
    assert plan[2].shifts == ("dim_light", "image_noise")
    assert plan[0].shifts == ()


def test_goals_of_a_scene_are_different_instructions():
    task = make_task("pick_place")
    for episode in plan_episodes({"pick_place": [0]}, ["none"], 20, 5_000_000):
        task.reset(episode.seed, episode.goal)
        first = task.goal
        task.reset(episode.seed, episode.goal + 1)
        assert task.goal != first


def test_held_out_wordings_are_taken_in_turn_and_are_never_those_of_training():
    settings = make_settings([FLOAT], Asked(["pick_place"], 8))
    count = len(make_task("pick_place").held_out_wordings)
    assert {e.wording for e in settings.plan()} == {-1 - k for k in range(min(count, 4))}
    training = make_settings([FLOAT], Asked(["pick_place"], 8, wordings="training"))
    assert all(e.wording >= 0 for e in training.plan())


def test_a_preset_adds_its_shifts_and_its_limits():
    settings = make_settings(
        [FLOAT], Asked(["pick_place"], 2, shifts=["none", "dim_light"], setting="hard")
    )
    hard = PRESETS["hard"]
    shifts = {e.shifts for e in settings.plan()}
    assert shifts == {hard.shifts, (*hard.shifts, "dim_light")}
    assert (settings.denoise_steps, settings.max_seconds) == (hard.denoise_steps, hard.max_seconds)


def test_presets_name_shifts_that_there_are():
    assert all(set(preset.shifts) <= set(SHIFTS) for preset in PRESETS.values())


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"tasks": ["juggle"]}, "Unknown task 'juggle'; choose one of: .*pick_place"),
        ({"tasks": []}, "no task to play"),
        ({"episodes": 0}, "--episodes is 0"),
        ({"episodes": 7}, "an even number"),
        ({"first_seed": -1}, "--seeds is -1"),
        ({"shifts": ["fog"]}, "Unknown shift 'fog'; choose none or some of: more_objects"),
        ({"shifts": ["dim_light+fog"]}, "Unknown shift 'fog'"),
        ({"setting": "brutal"}, "Unknown setting 'brutal'; choose one of: normal, hard"),
        ({"wordings": "shouted"}, "Unknown wordings 'shouted'"),
        ({"latency": "soon"}, "--latency is 'soon'"),
        ({"latency": "-5"}, "--latency is '-5'"),
        ({"latency": "nan"}, "--latency is 'nan'"),
        ({"way": "ros", "shifts": ["dim_light"]}, "--over-ros plays the normal setting"),
        ({"way": "ros", "setting": "hard"}, "--over-ros plays the normal setting"),
        ({"way": "ros", "variants": [CHANGED]}, "'float@odd' is a changed bundle"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_sentence(changed, sentence):
    asked = {"variants": [FLOAT], "tasks": ["pick_place"], "episodes": 4, **changed}
    with pytest.raises(QuantVLAError, match=sentence) as caught:
        make_settings(asked.pop("variants"), Asked(**asked))
    assert "\n" not in str(caught.value)


def test_an_episode_knows_no_shift():
    assert PlannedEpisode(0, "a", "none", 1, 0, 0).shifts == ()
