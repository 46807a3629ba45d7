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
