# SPDX-License-Identifier: Apache-2.0
"""A simulated robot for each file of this folder that plays on one in its own process."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def robot():
    from simulation.robot import SimulatedRobot

    robot = SimulatedRobot("pick_place")
    yield robot
    robot.close()
