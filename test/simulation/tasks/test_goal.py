# SPDX-License-Identifier: Apache-2.0
"""Which goals a scene lets be asked for."""

from __future__ import annotations

import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.registry import TASKS, make_task
from simulation.tasks.task import Goal


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
