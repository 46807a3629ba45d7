# SPDX-License-Identifier: Apache-2.0
"""One simulated robot for all tests of this folder: loading the scene takes a second."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def robot():
    from simulation.robot import SimulatedRobot

    robot = SimulatedRobot("pick_place")
    yield robot
    robot.close()
