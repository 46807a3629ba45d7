# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from simulation.expert import LINE_STEP_S, TICK_S, Action, execute, executed


def test_command_between_ticks_is_a_straight_line(robot):
    robot.reset(0)
    start = robot.commanded
    goal = start[:7] + 0.05
    setpoint = executed(robot, Action(goal, 0.0))
    for share in (0.24, 0.48, 1.0, 1.52):
        expected = start + min(share, 1.0) * np.append(np.full(7, 0.05), -0.02)
        assert setpoint(robot.time + share * TICK_S - LINE_STEP_S) == pytest.approx(expected)
    execute(robot, Action(goal, 0.0))
    assert robot.commanded == pytest.approx(np.append(goal, 0.02))


def test_label_is_the_arm_and_then_the_finger():
    label = Action(np.arange(7.0), 0.04).label()
    assert label.dtype == np.float32
    assert label == pytest.approx([0, 1, 2, 3, 4, 5, 6, 0.04])
