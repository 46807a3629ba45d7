# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.command_history import HISTORY_S, CommandedMotion
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.plan import Piece, Plan
from quantvla_ros.control.timeline import Hold

ONE = np.array([1.0])
LIMITS = JointLimits(("joint",), -2 * ONE, 2 * ONE, ONE, ONE, ONE)


def moving(start: float, position: float) -> Plan:
    """1 rad/s for 10 s."""
    track = [Piece(10.0, (position, 1.0, 0.0, 0.0, 0.0, 0.0))]
    return Plan.resting(np.array([position]), start).replaced({0: track}, np.array([position]))


@pytest.fixture
def commanded() -> CommandedMotion:
    motion = CommandedMotion(LIMITS, window_s=0.2)
    motion.note(moving(5.0, 0.0))
    motion.note(moving(5.1, 0.5))
    return motion


def test_each_plan_counts_until_the_next(commanded) -> None:
    assert commanded.at(4.99) is None
    for time, expected in ((5.0, 0.0), (5.05, 0.05), (5.1, 0.5), (5.3, 0.7)):
        assert float(commanded.at(time)[0]) == pytest.approx(expected)
    commanded.begin()
    assert commanded.at(5.2) is None


def test_rows_are_commands_first_and_then_the_path_within_limits(commanded) -> None:
    times = np.array([5.05, 5.15, 5.25, 5.35, 5.45])
    rows = commanded.rows(Hold(3 * ONE), times, taken_over=5.25)
    np.testing.assert_allclose(rows.points[:, 0], [0.05, 0.55, 0.65, 2.0, 2.0])
    assert rows.committed == 3


def test_no_row_is_made_up(commanded) -> None:
    assert commanded.rows(Hold(ONE), np.array([4.9, 5.0, 5.1]), 6.0) is None
    assert commanded.rows(Hold(ONE), np.array([]), 6.0) is None
    commanded.begin()
    assert commanded.rows(Hold(ONE), np.array([6.0]), 6.0) is None


def test_only_the_past_that_an_observation_can_have_is_kept() -> None:
    motion = CommandedMotion(LIMITS, window_s=0.2)
    for tick in range(1000):
        motion.note(moving(0.02 * tick, float(tick)))
    now = 0.02 * 999
    assert motion.at(now - HISTORY_S) is not None
    assert motion.at(now - 2 * HISTORY_S - 0.1) is None
