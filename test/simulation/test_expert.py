# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from simulation.expert import (
    LINE_STEP_S,
    MAX_STEP_M,
    TICK_S,
    Action,
    descend,
    execute,
    executed,
    funnel,
    limited,
    speed,
)


def test_speed_falls_towards_the_goal_and_is_limited():
    speeds = [speed(d) for d in (0.0, 0.02, 0.05, 0.1, 1.0)]
    assert speeds == sorted(speeds)
    assert 0 < speeds[0] < 0.005 and speeds[-1] == MAX_STEP_M


def test_limited_keeps_the_direction():
    assert limited(np.array([3.0, 0.0, 4.0]), 1.0) == pytest.approx([0.6, 0.0, 0.8])
    assert limited(np.array([0.1, 0.0, 0.0]), 1.0) == pytest.approx([0.1, 0.0, 0.0])


def test_the_funnel_is_high_far_away_and_closed_over_the_goal():
    assert funnel(0.0) == funnel(0.005) == 0.0
    assert 0.1 < funnel(0.2) < 0.12
    assert funnel(1.0, hover=0.3) == pytest.approx(0.3)


def test_descending_ends_at_the_goal_from_above():
    here, goal = np.array([0.2, -0.1, 0.02]), np.array([-0.1, 0.1, 0.01])
    track = [here]
    for _ in range(40):
        here = here + descend(here, goal)
        track.append(here)
    assert here == pytest.approx(goal, abs=2e-3)
    heights = {round(float(np.linalg.norm(p[:2] - goal[:2])), 3): p[2] for p in track}
    assert max(heights.values()) > 0.1  # it rises before it goes down
    assert all(z > 0.02 for error, z in heights.items() if 0.03 < error < 0.25)


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
