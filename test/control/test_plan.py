# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.plan import Piece, Plan, cut_track

RAMP = Piece(0.5, (1.0, 2.0, 0.0, 0.0, 0.0, 0.0))
BEND = Piece(0.25, (2.0, 2.0, -4.0, 0.5, 0.0, 0.25))


@pytest.fixture
def plan() -> Plan:
    return Plan.resting(np.array([1.0, 7.0]), 100.0).replaced({0: [RAMP, BEND]}, np.zeros(2))


def test_pieces_follow_each_other_and_then_rest(plan) -> None:
    state = plan.sample(np.array([100.0, 100.25, 100.6, 100.75, 200.0]))
    bend = np.polynomial.Polynomial(BEND.coefficients)
    np.testing.assert_allclose(
        state.position[:, 0], [1.0, 1.5, bend(0.1), bend(0.25), bend(0.25)], atol=1e-9
    )
    np.testing.assert_allclose(state.velocity[:3, 0], [2.0, 2.0, bend.deriv()(0.1)], atol=1e-9)
    np.testing.assert_allclose(state.acceleration[2, 0], bend.deriv(2)(0.1), atol=1e-9)
    assert state.velocity[-1, 0] == 0.0 and state.acceleration[-1, 0] == 0.0
    np.testing.assert_array_equal(state.position[:, 1], 7.0)
    assert plan.end == pytest.approx(100.75)


@pytest.mark.parametrize(("time", "rests"), [(99.0, False), (100.6, False), (100.75, True)])
def test_it_rests_when_its_last_piece_is_over(plan, time, rests) -> None:
    assert plan.rests(time) is rests
    assert Plan.resting(np.ones(2), 100.0).rests(time)


def test_before_its_start_it_stands_at_the_start(plan) -> None:
    assert plan.sample(np.array([99.0])).position[0, 0] == 1.0


@pytest.mark.parametrize("time", [100.0, 100.2, 100.5, 100.6, 100.7499])
def test_the_remainder_is_the_same_motion(plan, time) -> None:
    left = Plan.resting(np.zeros(2), time).replaced({0: plan.remainder(0, time)}, np.zeros(2))
    t = np.linspace(time, 101.0, 30)
    for got, wanted in zip(left.sample(t), plan.sample(t), strict=True):
        np.testing.assert_allclose(got[:, 0], wanted[:, 0], atol=1e-9)


def test_nothing_remains_at_rest(plan) -> None:
    assert plan.remainder(0, 100.75) == [] and plan.remainder(1, 100.0) == []
    again = plan.replaced({0: []}, np.array([5.0, 0.0]))
    assert again.sample(np.array([100.3])).position[0, 0] == 5.0


def test_the_end_of_a_piece_and_a_cut() -> None:
    bend = np.polynomial.Polynomial(BEND.coefficients)
    np.testing.assert_allclose(BEND.end(), [bend(0.25), bend.deriv()(0.25), bend.deriv(2)(0.25)])
    cut = cut_track([RAMP, BEND], 0.6)
    assert [piece.duration for piece in cut] == pytest.approx([0.5, 0.1])
    assert len(cut_track([RAMP, BEND], 0.5)) == 1
