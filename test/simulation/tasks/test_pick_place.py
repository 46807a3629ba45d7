# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.fake_world import FakeWorld

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.objects import BASKET, OBJECTS
from simulation.tasks.pick_place import PickPlace, in_basket, over_basket
from simulation.tasks.task import Goal

BASKET_AT = np.array([0.01, 0.26, 0.0])


@pytest.fixture
def task() -> PickPlace:
    task = PickPlace()
    task.reset(7)
    return task


@pytest.fixture
def world(task) -> FakeWorld:
    world = FakeWorld(
        {name: np.array([0.0, 0.1 * i, 0.016]) - [0, 0.3, 0] for i, name in enumerate(task.present)}
    )
    world.places[BASKET] = BASKET_AT
    task.begin(world)
    return world


def test_every_object_and_every_target_occurs():
    task = PickPlace()
    seen, asked = set(), set()
    for seed in range(60):
        task.reset(seed)
        assert len(set(task.present)) == 3 and task.goal.object in task.present
        seen |= set(task.present)
        asked.add(task.goal.object)
    assert seen == asked == set(task.objects)


def test_scene_leaves_the_hand_room_and_stays_in_the_working_area():
    task = PickPlace()
    for seed in range(60):
        scene = task.reset(seed)
        standing = {item.name for item in OBJECTS if item.standing}
        for a, b in itertools.combinations(task.present, 2):
            dx, dy = np.abs(scene.poses[a][0] - scene.poses[b][0])[:2]
            wide = a in standing or b in standing
            assert dx >= (0.09 if wide else 0.105) or dy >= (0.17 if wide else 0.10)
        assert set(scene.poses) == {*task.present, BASKET}
        assert all(np.linalg.norm(q) == pytest.approx(1.0) for _, q in scene.poses.values())


def test_places_are_permuted_over_seeds():
    task = PickPlace()
    left_of_other = set()
    for seed in range(60):
        scene = task.reset(seed)
        if {"butter", "cream cheese"} <= set(task.present):
            left_of_other.add(bool(scene.poses["butter"][0][1] < scene.poses["cream cheese"][0][1]))
    assert left_of_other == {True, False}


def test_success_is_the_named_object_alone_and_let_go(task, world):
    assert not task.success(world)
    world.places[task.goal.object] = BASKET_AT + np.array([0.03, -0.02, 0.02])
    assert task.success(world)
    world.opening = 0.05
    assert not task.success(world)


def test_no_success_with_another_object_or_with_both(task, world):
    other = next(name for name in task.present if name != task.goal.object)
    world.places[other] = BASKET_AT + np.array([0.0, 0.0, 0.02])
    assert not task.success(world)
    world.places[task.goal.object] = BASKET_AT + np.array([0.03, 0.03, 0.02])
    assert not task.success(world)


@pytest.mark.parametrize(
    ("offset", "over", "inside"),
    [
        ((0.06, 0.06, 0.05), True, True),
        ((0.08, 0.0, 0.05), False, False),
        ((0.0, -0.08, 0.05), False, False),
        ((0.0, 0.0, 0.2), True, False),
    ],
)
def test_inside_of_the_basket(task, world, offset, over, inside):
    world.places[task.goal.object] = BASKET_AT + offset
    assert over_basket(world, task.goal.object) is over
    assert in_basket(world, task.goal.object) is inside


def test_what_moved_first_is_remembered_and_restored(task, world):
    first, second = task.present[:2]
    task.observe(world)
    assert task.first_moved is None
    before = task.memory()
    world.places[first] = world.places[first] + [0, 0, 0.05]
    task.observe(world)
    world.places[first] = world.places[first] - [0, 0, 0.05]
    world.places[second] = world.places[second] + [0, 0, 0.05]
    task.observe(world)
    assert task.first_moved == first
    task.restore(before)
    assert task.first_moved is None


def test_pushing_counts_as_moving_and_trembling_does_not(task, world):
    name = task.present[2]
    world.places[name] = world.places[name] + [0.02, 0, 0]
    task.observe(world)
    assert task.first_moved is None
    world.places[name] = world.places[name] + [0.02, 0, 0]
    task.observe(world)
    assert task.first_moved == name


def test_a_goal_of_another_scene_is_refused_with_the_list(task):
    absent = next(name for name in task.objects if name not in task.present)
    with pytest.raises(QuantVLAError, match=f"'{absent}' to 'basket'.*'{task.present[0]}'"):
        task.goal = Goal(absent, BASKET)
