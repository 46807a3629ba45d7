# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import mujoco
import numpy as np

from simulation.tasks.objects import (
    BLUE_SQUARE,
    PLATE,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    RED_SQUARE,
)


def put(robot, name, *place):
    robot.data.mocap_pos[robot.model.body(name).mocapid[0]] = place
    mujoco.mj_forward(robot.model, robot.data)


def colour_at(robot, place):
    image = robot.render()["front"]
    column, row = (robot.project(np.array([place]))[0, 0] * 96).astype(int)
    return image[row, column].astype(int)


def test_squares_show_their_colour_where_they_are_put(robot):
    robot.reset(3)
    place = (0.1, -0.24, 0.0)
    for name, channel in ((RED_SQUARE, 0), (BLUE_SQUARE, 2)):
        robot.reset(3)
        put(robot, name, *place)
        pixel = colour_at(robot, place)
        assert pixel[channel] > 1.8 * max(np.delete(pixel, channel)), name


def test_squares_can_be_driven_over_and_the_plate_not(robot):
    model = robot.model
    for name, solid in ((RED_SQUARE, False), (BLUE_SQUARE, False), (PLATE, True)):
        geoms = model.geom_bodyid == model.body(name).id
        assert bool(model.geom_contype[geoms].any()) is solid, name
    robot.reset(3)
    name = robot.task.present[0]
    before = robot.object_position(name)
    put(robot, PLATE, before[0], before[1], before[2] - PLATE_HEIGHT_M - 0.02)
    assert not [c for c in robot.data.contact if model.body(PLATE).id in geoms_bodies(model, c)]
    put(robot, PLATE, before[0] + PLATE_RADIUS_M, before[1], 0.0)
    assert [c for c in robot.data.contact if model.body(PLATE).id in geoms_bodies(model, c)]


def geoms_bodies(model, contact):
    return set(model.geom_bodyid[list(contact.geom)])


def test_they_are_out_of_sight_in_scenes_without_them(robot):
    robot.reset(3)
    for name in (PLATE, RED_SQUARE, BLUE_SQUARE):
        assert robot.object_position(name)[0] < -2.0
