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


@pytest.fixture
def refused(capsys):
    """Call a command that must refuse, with its arguments; returns its one sentence."""

    def call(command, *arguments) -> str:
        with pytest.raises(SystemExit) as ended:
            command(*arguments)
        assert ended.value.code == 1
        (sentence,) = capsys.readouterr().err.splitlines()
        return sentence

    return call
