# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.registry import TASKS, make_task, vocabulary

LONGEST_SENTENCE = 12


def sentences(task, templates):
    for goal in task.all_goals:
        for template in templates:
            yield template.format(object=goal.object, destination=goal.destination)


def test_registry_makes_each_task_by_its_name():
    for name in TASKS:
        assert make_task(name).name == name


def test_unknown_task_is_refused_with_the_list():
    with pytest.raises(QuantVLAError, match=r"'juggle'.*pick_place"):
        make_task("juggle")


@pytest.mark.parametrize("name", TASKS)
def test_wordings_fit_the_tokens_and_are_told_apart(name):
    task = make_task(name)
    assert 3 <= len(task.wordings) <= 5 and len(task.held_out_wordings) == 2
    assert not set(task.wordings) & set(task.held_out_wordings)
    for sentence in sentences(task, task.wordings + task.held_out_wordings):
        assert len(sentence.split()) <= LONGEST_SENTENCE, sentence


@pytest.mark.parametrize("name", TASKS)
def test_every_goal_occurs_and_no_other(name):
    task = make_task(name)
    seen, asked = set(), set()
    for seed in range(80):
        task.reset(seed)
        assert len(set(task.goals)) == len(task.goals) >= 2
        seen |= set(task.goals)
        asked.add(task.goal)
    assert seen == asked == set(task.all_goals)
    assert {goal.object for goal in seen} == set(task.objects)


def test_vocabulary_holds_every_word_of_training_and_evaluation():
    words = vocabulary()
    assert words == sorted(set(words))
    used = set()
    for name in TASKS:
        task = make_task(name)
        for sentence in sentences(task, task.wordings):
            used |= set(sentence.split())
    assert used == set(words)
    for name in TASKS:
        task = make_task(name)
        for sentence in sentences(task, task.held_out_wordings):
            assert set(sentence.split()) <= used, sentence


def test_no_two_families_share_a_sentence():
    seen = {}
    for name in TASKS:
        task = make_task(name)
        for sentence in sentences(task, task.wordings + task.held_out_wordings):
            assert seen.setdefault(sentence, name) == name
