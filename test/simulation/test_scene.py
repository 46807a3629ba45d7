# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.metadata
import os
import time

import mujoco
import numpy as np
import pytest

from quantvla_ros.errors import QuantVLAError
from simulation import scene
from simulation.tasks.objects import (
    BLUE_SQUARE,
    PLATE,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    RED_SQUARE,
)


def small_model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom size='1'/></worldbody></mujoco>"
    )


def test_arm_is_position_servoed_at_two_milliseconds():
    model = scene.load_scene()
    assert model.opt.timestep == 0.002
    assert np.all(model.actuator_gainprm[:7, 0] == -model.actuator_biasprm[:7, 1])
    assert np.all(model.actuator_ctrlrange[:7] == model.jnt_range[:7])


def test_arm_holds_still_without_sag(robot):
    robot.reset(0)
    robot.advance(1.0)
    assert np.abs(robot.positions[:7] - robot.commanded[:7]).max() < 2e-3
    assert np.abs(robot.velocities).max() < 1e-2


def test_scene_is_built_once_and_nothing_half_written_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = []

    def build() -> mujoco.MjModel:
        built.append(1)
        return small_model()

    monkeypatch.setattr(scene, "build_scene", build)
    assert scene.load_scene().ngeom == scene.load_scene().ngeom == 1
    assert len(built) == 1
    files = list((tmp_path / "quantvla_ros").iterdir())
    assert [file.suffix for file in files] == [".mjb"]


def test_another_simulator_version_builds_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(scene, "build_scene", small_model)
    scene.load_scene()
    monkeypatch.setattr(scene, "version", lambda package: "0.0")
    scene.load_scene()
    assert len(list((tmp_path / "quantvla_ros").glob("*.mjb"))) == 2


def test_scenes_that_nobody_loads_any_more_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(scene, "build_scene", small_model)
    folder = scene.cache_directory()
    stale, fresh = folder / "scene-old.mjb", folder / "scene-young.mjb"
    for path, days in ((stale, 9), (fresh, 1)):
        path.touch()
        then = time.time() - days * 24 * 3600
        os.utime(path, (then, then))
    scene.load_scene()
    assert not stale.exists() and fresh.exists()


def test_missing_simulator_is_named(monkeypatch):
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(scene, "version", missing)
    with pytest.raises(QuantVLAError, match="needs the package mujoco"):
        scene.load_scene()


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
