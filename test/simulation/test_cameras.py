# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys

import mujoco
import numpy as np
import pytest

from simulation.cameras import BEHIND_CAMERA, CAMERAS


def test_pictures_show_something_and_differ(robot):
    robot.reset(3)
    images = robot.render()
    assert list(images) == list(CAMERAS) == ["front", "wrist"]
    for image in images.values():
        assert image.shape == (96, 96, 3) and image.dtype == np.uint8
        assert image.mean() > 30 and image.std() > 10
    difference = images["front"].astype(int) - images["wrist"].astype(int)
    assert np.abs(difference).mean() > 10


def test_size_can_be_chosen(robot):
    robot.reset(3)
    assert robot.render(64)["front"].shape == (64, 64, 3)


def test_instruction_is_not_visible(robot):
    pictures = []
    for goal in range(3):
        robot.reset(3, goal)
        pictures.append(robot.render()["front"])
    assert all(np.array_equal(pictures[0], other) for other in pictures[1:])


def test_projection_finds_the_object_that_vanishes(robot):
    """The pixels that change when an object is taken away lie around its projection."""
    robot.reset(3)
    name = "milk" if "milk" in robot.task.present else robot.task.present[0]
    uv = robot.project(robot.object_position(name)[None])[0]
    with_object = robot.render()["front"].astype(int)
    joint = robot.model.joint(f"{name.replace(' ', '_')}_1_joint0")
    robot.data.qpos[joint.qposadr[0]] = -5.0
    mujoco.mj_forward(robot.model, robot.data)
    changed = np.abs(robot.render()["front"].astype(int) - with_object).sum(axis=2) > 30
    rows, columns = np.nonzero(changed)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5]) / 96
    assert uv[0] == pytest.approx(centre, abs=0.03)


def test_point_behind_the_camera_is_marked(robot):
    robot.reset(0)
    behind_front = np.array([[2.0, 0.0, 1.5]])
    uv = robot.project(behind_front)
    assert uv.shape == (1, 2, 2)
    assert np.all(uv[0, 0] == BEHIND_CAMERA)


def test_process_ends_quietly_whoever_used_weakref_first():
    code = """
import weakref
class Thing: pass
thing = Thing()
weakref.finalize(thing, int)
from simulation.robot import SimulatedRobot
robot = SimulatedRobot()
robot.reset(0)
robot.render()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
