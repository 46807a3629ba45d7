# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.fake_world import settled

from simulation.tasks.stack import Stack
from simulation.tasks.task import Goal

GOAL = Goal("butter", "chocolate pudding")


@pytest.fixture
def task() -> Stack:
    return Stack()


@pytest.fixture
def world(task):
    world = settled(task, task.reset(3))
    task.goal = GOAL
    return world


def test_all_ordered_pairs_can_be_asked_for(task):
    task.reset(0)
    assert len(task.goals) == 6
    assert Goal("butter", "cream cheese") in task.goals
    assert Goal("cream cheese", "butter") in task.goals


def test_success_is_the_one_on_the_other(task, world):
    assert not task.success(world)
    world.places["butter"] = task.goal_position(world)
    assert task.success(world)
    task.goal = Goal(GOAL.destination, GOAL.object)
    assert not task.success(world)


@pytest.mark.parametrize("offset", [(0.03, 0, 0), (0, 0, 0.01), (0, 0, -0.012)])
def test_no_success_beside_above_or_below_its_place(task, world, offset):
    world.places["butter"] = task.goal_position(world) + offset
    assert not task.success(world)


def test_no_success_while_held_or_with_something_else_disturbed(task, world):
    world.places["butter"] = task.goal_position(world)
    world.opening = 0.04
    assert not task.success(world)
    world.opening = 0.08
    world.move("cream cheese", 0.05, 0, 0)
    assert not task.success(world)


def test_the_place_on_top_follows_the_lower_box(task, world):
    before = task.goal_position(world)
    world.move("chocolate pudding", 0.01, 0, 0)
    assert task.goal_position(world) - before == pytest.approx([0.01, 0, 0])
