# SPDX-License-Identifier: Apache-2.0
"""When a goal is worth sending to a gripper."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.goal_pacing import STILL_S, GoalPacer

RANGE, PERIOD, TICK = 0.04, 0.2, 0.02
DEADBAND = 0.0008


@pytest.fixture
def pacer():
    return GoalPacer(RANGE, PERIOD)


def run(pacer, wishes, begin=0.0):
    """Goals (s, m) of wishes that come once a control period; all are sent."""
    goals = []
    for k, wish in enumerate(wishes):
        now = begin + TICK * k
        if pacer.due(float(wish), now):
            pacer.told(float(wish), now)
            goals.append((now, float(wish)))
    return goals


def test_the_measured_position_of_the_beginning_is_no_goal(pacer):
    assert run(pacer, np.full(100, 0.013)) == []
    assert not pacer.differs(0.013) and pacer.differs(0.0131)


def test_a_jump_is_one_goal_at_once(pacer):
    assert run(pacer, [*np.full(10, 0.04), *np.zeros(200)]) == [(pytest.approx(0.2), 0.0)]


def test_a_slow_way_is_goals_at_the_rate_and_ends_exactly(pacer):
    goals = run(pacer, [*np.linspace(0.04, 0.00001, 100), *np.full(100, 0.00001)])
    assert np.diff([time for time, _ in goals]).min() >= PERIOD - 1e-9
    assert 9 <= len(goals) <= 11
    assert goals[-1][1] == 0.00001


def test_a_wish_that_trembles_is_no_goal_and_one_that_rests_is_told_exactly(pacer):
    trembling = 0.02 + 0.4 * DEADBAND * (-1.0) ** np.arange(200)
    assert run(pacer, trembling) == []
    near = 0.02 + 0.6 * DEADBAND
    ((when, position),) = run(pacer, np.full(100, near), begin=10.0)
    assert position == near and when == pytest.approx(10.0 + STILL_S, abs=2 * TICK)


def test_a_goal_that_could_not_be_sent_stays_due(pacer):
    pacer.due(0.04, 0.0)
    assert pacer.due(0.0, 1.0) and pacer.due(0.0, 1.02)


def test_another_motion_begins_anew(pacer):
    run(pacer, [0.04, 0.0])
    pacer.begin()
    assert run(pacer, np.full(100, 0.03), begin=0.04) == []
