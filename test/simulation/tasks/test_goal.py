# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.registry import TASKS, make_task
from simulation.tasks.task import Goal, meant_goal, no_goal_meant


@pytest.fixture(params=TASKS)
def task(request):
    task = make_task(request.param)
    task.reset(3)
    return task


def test_every_goal_of_the_scene_can_be_asked_for(task):
    for goal in task.goals:
        task.goal = Goal(goal.object, goal.destination)
        assert task.goal == goal


@pytest.mark.parametrize("wrong", ["object", "destination", "both"])
def test_a_goal_that_the_scene_does_not_have_is_refused_in_one_sentence(task, wrong):
    before = task.goal
    asked = Goal(
        before.object if wrong == "destination" else "teapot",
        before.destination if wrong == "object" else "oven",
    )
    with pytest.raises(QuantVLAError) as caught:
        task.goal = asked
    sentence = str(caught.value)
    start = f"'{asked.object}' to '{asked.destination}' is no goal of this scene; it has: "
    assert sentence.startswith(start)
    listed = sentence.removeprefix(start).removesuffix(".").split(", ")
    assert listed == [f"'{goal.object}' to '{goal.destination}'" for goal in task.goals]
    assert task.goal == before


def test_a_goal_of_the_last_scene_is_refused_in_one_that_lacks_it():
    task = make_task("pick_place")
    task.reset(3)
    former, seed = task.goals, 3
    while set(task.goals) == set(former):
        seed += 1
        task.reset(seed)
    gone = next(goal for goal in former if goal not in task.goals)
    with pytest.raises(QuantVLAError, match=f"'{gone.object}' to 'basket' is no goal"):
        task.goal = gone


@pytest.mark.parametrize("name", TASKS)
def test_every_sentence_of_a_family_means_its_goal(name):
    task = make_task(name)
    task.reset(3)
    for goal in task.goals:
        task.goal = goal
        for template in task.wordings + task.held_out_wordings:
            assert meant_goal(task, task.words(template)) == goal


def test_the_destination_may_be_left_out_and_other_sentences_mean_nothing():
    task = make_task("pick_place")
    task.reset(3)
    assert meant_goal(task, f"take the {task.present[1]}").object == task.present[1]
    assert meant_goal(task, "dance") is None
    assert meant_goal(task, "") is None


@pytest.mark.parametrize("name", TASKS)
def test_a_sentence_that_means_nothing_is_answered_with_what_the_scene_has(name):
    task = make_task(name)
    task.reset(3)
    answer = no_goal_meant(task, "take the teapot")
    assert "'take the teapot' names no object of this scene" in answer
    listed = answer.partition("which has: ")[2].partition(". ")[0].split(", ")
    assert len(set(listed)) == len(listed)
    assert set(listed) == {f"'{goal.object}'" for goal in task.goals}
    assert answer.endswith(f"for '{task.goal.object}' to '{task.goal.destination}'.")


def test_the_answer_is_one_short_line_whatever_the_sentence_is():
    task = make_task("pick_place")
    task.reset(3)
    answer = no_goal_meant(task, "take\nthe\rteapot\x1b[2J" + 10_000 * "!")
    assert answer.isprintable() and len(answer) < 400
