# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.fake_world import settled

from simulation.tasks.objects import BLUE_SQUARE, RED_SQUARE
from simulation.tasks.push import Push


@pytest.fixture
def task() -> Push:
    return Push()


@pytest.fixture
def world(task):
    return settled(task, task.reset(5, goal=0))


def test_each_box_can_be_asked_to_each_square_and_squares_change_sides(task):
    red_is_left = set()
    for seed in range(20):
        scene = task.reset(seed)
        assert len(task.goals) == 4
        red_is_left.add(bool(scene.poses[RED_SQUARE][0][1] > scene.poses[BLUE_SQUARE][0][1]))
    assert red_is_left == {True, False}


def test_success_is_the_named_square(task, world):
    assert not task.success(world)
    world.places[task.goal.object] = task.goal_position(world)
    assert task.success(world)
    task.goal = task.goals[1]
    assert not task.success(world)


def test_no_success_off_the_square_or_with_the_hand_still_low(task, world):
    place = task.goal_position(world)
    world.places[task.goal.object] = place
    world.move(task.goal.object, 0.06, 0, 0)
    assert not task.success(world)
    world.places[task.goal.object] = place
    world.tool_position[2] = 0.02
    assert not task.success(world)


def test_lifting_is_not_pushing_and_a_restored_state_knows(task, world):
    before = task.memory()
    world.move(task.goal.object, 0, 0, 0.05)
    task.observe(world)
    world.places[task.goal.object] = task.goal_position(world)
    assert not task.success(world)
    task.restore(before)
    assert task.success(world)


def test_no_success_when_the_other_box_was_moved(task, world):
    world.places[task.goal.object] = task.goal_position(world)
    world.move(next(n for n in task.present if n != task.goal.object), 0.05, 0, 0)
    assert not task.success(world)
