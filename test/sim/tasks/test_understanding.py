# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.sim.tasks.registry import TASKS, make_task
from quantvla_ros.sim.tasks.understanding import meant_goal


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
