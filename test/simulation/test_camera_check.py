# SPDX-License-Identifier: Apache-2.0
"""The cameras' check on rendered pictures: shifts of light and scene pass, a wrong camera not."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.processing.pictures import camera_statistics, unlike
from quantvla_ros.resources import shared_file
from simulation.expert import execute
from simulation.robot import SimulatedRobot
from simulation.shifts import SHIFTS

CAMERAS = ("front", "wrist")


def episode(robot, seed, ticks=30, every=10):
    """Pictures of the scripted expert at work, from the start on."""
    robot.reset(seed)
    expert = robot.task.expert(robot)
    pictures = []
    for tick in range(ticks):
        if tick % every == 0:
            pictures.append(robot.render())
        execute(robot, expert.act())
    return pictures


@pytest.fixture(scope="module")
def robot():
    robot = SimulatedRobot()
    yield robot
    robot.close()


@pytest.fixture(scope="module", params=["buffer", "bundled policy"])
def known(request, robot):
    """What a buffer of two episodes, as the demo records them, says of both cameras, or `panda`."""
    if request.param == "bundled policy":
        return load_manifest(shared_file("policies/panda")).calibration.cameras
    pictures = episode(robot, 7000) + episode(robot, 7001)
    return {name: camera_statistics([p[name] for p in pictures]) for name in CAMERAS}


@pytest.fixture(scope="module", params=[(), *((name,) for name in SHIFTS)], ids=str)
def pictures(request):
    """Of scenes that the buffer does not hold, under a shift."""
    robot = SimulatedRobot(shifts=request.param)
    shown = episode(robot, 9000, 15) + episode(robot, 9001, 15)
    robot.close()
    return shown


def test_shifted_scenes_arm_and_exchanged_cameras_do_not(known, pictures):
    for shown in pictures:
        for name, other in (CAMERAS, CAMERAS[::-1]):
            assert unlike(known[name], shown[name]) == ""
            assert "another camera's" in unlike(known[name], shown[other])


@pytest.mark.parametrize("light", [0.0, 0.1])
@pytest.mark.parametrize("noise", [0.0, 14.0])
def test_dark_covered_and_turned_cameras_do_not(robot, known, light, noise):
    robot.reset(9002)
    rng = np.random.default_rng(0)
    for name, picture in robot.render().items():
        noisy = light * picture + rng.normal(0.0, noise, picture.shape)
        assert "too dark" in unlike(known[name], np.clip(noisy, 0, 255).astype(np.uint8))
        hand = np.array([200.0, 150.0, 120.0]) + rng.normal(0.0, noise, picture.shape)
        assert "covered" in unlike(known[name], np.clip(hand, 0, 255).astype(np.uint8))
        assert "turned" in unlike(known[name], picture[::-1, ::-1])
