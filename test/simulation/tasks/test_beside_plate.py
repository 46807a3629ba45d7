# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from support.fake_world import settled

from simulation.tasks.beside_plate import BesidePlate
from simulation.tasks.objects import PLATE, PLATE_RADIUS_M, grasp_object


@pytest.fixture
def task() -> BesidePlate:
    return BesidePlate()


def test_each_thing_can_be_asked_to_each_side(task):
    task.reset(0)
    assert len(task.goals) == 4
    assert {g.destination for g in task.goals} == {"left of the plate", "right of the plate"}


def test_left_is_towards_plus_y(task):
    world = settled(task, task.reset(0))
    for goal in task.goals:
        task.goal = goal
        offset = task.goal_position(world) - world.object_position(PLATE)
        assert np.sign(offset[1]) == (1 if goal.destination.startswith("left") else -1)
        assert abs(offset[1]) > PLATE_RADIUS_M + 0.06


def test_both_places_are_free_and_in_reach(task):
    for seed in range(60):
        scene = task.reset(seed)
        world = settled(task, scene)
        for goal in task.goals:
            task.goal = goal
            place = task.goal_position(world)
            assert abs(place[0]) < 0.14 and abs(place[1]) < 0.24
            for name in task.present:
                dx, dy = np.abs(scene.poses[name][0] - place)[:2]
                assert dx > 0.089 or dy > 0.099


def test_success_is_the_named_side_alone(task):
    world = settled(task, task.reset(5))
    left, right = task.goals[:2]
    task.goal = left
    assert not task.success(world)
    world.places[left.object] = task.goal_position(world)
    assert task.success(world)
    task.goal = right
    assert not task.success(world)


def test_no_success_while_held_raised_off_place_or_with_the_other_disturbed(task):
    world = settled(task, task.reset(5))
    name = task.goal.object
    place = task.goal_position(world)
    for offset in ([0, 0, 0.01], [0.035, 0, 0], [0, 0.035, 0]):
        world.places[name] = place + offset
        assert not task.success(world)
    world.places[name] = place
    world.opening = 0.05
    assert not task.success(world)
    world.opening = 0.08
    other = next(n for n in task.present if n != name)
    world.move(other, 0.0, 0.05, 0.0)
    assert not task.success(world)


def test_a_carton_that_fell_over_is_no_success(task):
    seed = next(s for s in range(50) if task.reset(s) and grasp_object(task.goal.object).standing)
    world = settled(task, task.reset(seed))
    world.places[task.goal.object] = task.goal_position(world)
    assert task.success(world)
    world.places[task.goal.object][2] = 0.027
    assert not task.success(world)
