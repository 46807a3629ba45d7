# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.quintic import UNSEEN_RATE, QuinticJoins, state_powers


@given(st.integers(0, 2**32 - 1))
def test_both_ends_are_met(seed) -> None:
    rng = np.random.default_rng(seed)
    start, goal = rng.normal(size=(2, 3, 3, 4))
    duration = rng.uniform(0.05, 1.0, size=3)
    joins = QuinticJoins(start, goal, duration)
    np.testing.assert_allclose(joins.at(state_powers(np.zeros(3))), start, atol=1e-9)
    np.testing.assert_allclose(joins.at(state_powers(np.ones(3))), goal, atol=1e-6)
    for c in range(3):
        for n in range(4):
            p = np.polynomial.Polynomial(joins.coefficients()[c, n])
            ends = [p(duration[c]), p.deriv()(duration[c]), p.deriv(2)(duration[c])]
            np.testing.assert_allclose(ends, goal[c, :, n], atol=1e-6)


def test_minimum_jerk_peaks_of_a_move_from_rest_to_rest() -> None:
    start = np.zeros((1, 3, 1))
    goal = np.array([[[1.0], [0.0], [0.0]]])
    joins = QuinticJoins(start, goal, np.array([2.0]))
    peaks = np.array([[1.875 / 2], [5.7735 / 4], [60 / 8]])
    low, high = np.array([0.0]), np.array([1.0])
    assert joins.within(low - 1e-9, high + 1e-9, peaks * 1.001).all()
    for order in range(3):
        tight = peaks * 1.001
        tight[order] *= 0.98
        assert not joins.within(low - 1e-9, high + 1e-9, tight).any()
    assert not joins.within(low - 1e-9, high - 1e-3, peaks * 2).any()
    assert not joins.within(low + 1e-3, high + 1.0, peaks * 2).any()


def test_each_joint_is_judged_by_its_own_limits() -> None:
    start = np.zeros((1, 3, 2))
    goal = np.zeros((1, 3, 2))
    goal[0, 0] = [0.1, 0.1]
    joins = QuinticJoins(start, goal, np.array([0.5]))
    rates = np.array([[9.0, 9.0], [9.0, 1.0], [900.0, 900.0]])
    verdict = joins.within(np.full(2, -1.0), np.full(2, 1.0), rates)
    assert verdict.tolist() == [[True, False]]


def test_instants_are_each_joins_own() -> None:
    start, goal = np.zeros((2, 3, 1)), np.zeros((2, 3, 1))
    goal[:, 0] = 1.0
    at = QuinticJoins(start, goal, np.array([1.0, 2.0])).at(state_powers(np.array([0.5, 1.0])))
    assert at[0, 0, 0] == pytest.approx(0.5) and at[0, 1, 0] == pytest.approx(1.875)
    assert at[1, 0, 0] == pytest.approx(1.0)


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_nothing_between_the_instants_escapes_the_check(seed, order) -> None:
    rng = np.random.default_rng(seed)
    start, goal = rng.normal(size=(2, 1, 3, 1)) * [[1.0], [3.0], [9.0]]
    joins = QuinticJoins(start, goal, rng.uniform(0.1, 1.0, size=1))
    duration = joins._duration[0]
    u = np.linspace(0, duration, 5000)
    p = np.polynomial.Polynomial(joins.coefficients()[0, 0])
    values = [p.deriv(k)(u) if k else p(u) for k in range(4)]
    wide, rates = np.array([1e9]), np.array([[np.abs(v).max() * 1.001] for v in values[1:]])
    low, high = wide * -1, wide
    assert joins.within(low, high, rates).all()
    if order == 0:
        high = np.array([values[0].max() - 1e-5])
    else:
        rates[order - 1] = np.abs(values[order]).max() / UNSEEN_RATE / 1.0001
    assert not joins.within(low, high, rates).any()
