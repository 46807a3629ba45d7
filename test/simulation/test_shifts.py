# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.errors import QuantVLAError
from simulation.robot import SimulatedRobot
from simulation.shifts import SHIFTS, ShiftedScene
from simulation.tasks.registry import TASKS, make_task
from simulation.tasks.task import Layout

VISUAL = ("unseen_colours", "camera_moved", "dim_light", "image_noise")


@pytest.fixture
def shifted(robot):
    """The shared robot under one shift; its model is put right again afterwards."""
    before = robot._shifted

    def make(*names):
        before.reset(0)  # it knows the model as it was built
        robot._shifted = ShiftedScene(robot.model, names)
        return robot

    yield make
    before.reset(0)
    robot._shifted = before


def front(robot, seed):
    robot.reset(seed)
    return robot.render()["front"].astype(int)


@pytest.mark.parametrize("name", VISUAL)
def test_a_shift_changes_the_picture_by_the_seed_alone_and_not_the_scene(shifted, name):
    robot = shifted()
    plain, scene = front(robot, 3), robot.data.qpos.copy()
    first = front(shifted(name), 3)
    assert np.array_equal(robot.data.qpos, scene)
    front(shifted(name), 4)
    again = front(shifted(name), 3)
    assert np.array_equal(first, again)
    assert np.abs(first - plain).mean() > 0.5
    assert np.array_equal(front(shifted(), 3), plain)


def test_shifts_of_earlier_episodes_do_not_add_up(shifted):
    robot = shifted("dim_light", "camera_moved", "unseen_colours")
    first = front(robot, 3)
    for seed in range(4, 8):
        robot.reset(seed)
    assert np.array_equal(front(robot, 3), first)


def test_light_is_dimmed_and_noise_is_about_zero(shifted):
    plain = front(shifted(), 3)
    assert 0.2 < front(shifted("dim_light"), 3).mean() / plain.mean() < 0.75
    noise = front(shifted("image_noise"), 3) - plain
    assert 8 < noise.std() < 20 and abs(noise.mean()) < 2


def test_noise_differs_from_picture_to_picture(shifted):
    robot = shifted("image_noise")
    before = front(robot, 3)
    robot.advance(0.1)
    assert np.abs(robot.render()["front"] - before).mean() > 5


def test_projection_follows_the_moved_camera(shifted):
    robot = shifted("camera_moved")
    robot.reset(3)
    name = robot.task.present[0]
    moved = robot.project(robot.object_position(name)[None])[0, 0]
    robot = shifted()
    robot.reset(3)
    plain = robot.project(robot.object_position(name)[None])[0, 0]
    assert 0.005 < np.abs(moved - plain).max() < 0.3


@pytest.mark.parametrize("name", TASKS)
def test_more_objects_and_unseen_places_in_every_family(name):
    plain, more, unseen = make_task(name), make_task(name), make_task(name)
    more.layout = Layout(more_objects=True)
    unseen.layout = Layout(unseen_places=True)
    places = {}
    for task in (plain, more, unseen):
        scenes = [task.reset(seed) for seed in range(30)]
        things = task.objects
        places[task] = np.array(
            [scene.poses[n][0][:2] for scene in scenes for n in scene.present if n in things]
        )
    assert len(more.present) > len(plain.present)
    low, high = places[plain].min(axis=0), places[plain].max(axis=0)
    inside = np.all((places[unseen] > low + 0.005) & (places[unseen] < high - 0.005), axis=1)
    assert inside.mean() < 0.1


def test_layout_shifts_reach_the_task():
    robot = SimulatedRobot("pick_place", ["more_objects"])
    robot.reset(3)
    assert len(robot.task.present) == 5
    robot.close()


def test_unknown_shift_is_refused_with_the_list(robot):
    with pytest.raises(QuantVLAError, match=r"'fog'.*dim_light"):
        ShiftedScene(robot.model, ["fog"])


def test_every_shift_does_something():
    for name, shift in SHIFTS.items():
        assert shift.description, name
        assert [shift.layout, shift.model, shift.picture].count(None) == 2, name
