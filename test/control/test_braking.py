# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from ruckig import ControlInterface, InputParameter, Result, Ruckig, Trajectory

from quantvla_ros.control.braking import Braking, Rates, surely_within
from quantvla_ros.control.plan import Plan
from quantvla_ros.control.profiles import Bounds, track_is_within

RATES = Rates(np.array([2.0, 0.2]), np.array([4.0, 1.0]), np.array([90.0, 8.0]))
share = st.floats(-1.0, 1.0)


@given(share, share, share, share)
def test_the_stop_is_the_one_ruckig_finds(v0, v1, a0, a1) -> None:
    state = np.array([[0.5, 0.01], RATES.velocity * (v0, v1), RATES.acceleration * (a0, a1)])
    braking = Braking(state, RATES)
    given_, trajectory = InputParameter(2), Trajectory(2)
    given_.control_interface = ControlInterface.Velocity
    given_.current_position, given_.current_velocity, given_.current_acceleration = (
        row.tolist() for row in state
    )
    given_.target_velocity = [0.0, 0.0]
    given_.max_acceleration, given_.max_jerk = RATES.acceleration.tolist(), RATES.jerk.tolist()
    assert Ruckig(2).calculate(given_, trajectory) == Result.Working
    np.testing.assert_allclose(
        braking.durations.sum(axis=1), trajectory.independent_min_durations, atol=1e-6
    )
    for joint in (0, 1):
        rest = trajectory.position_extrema[joint]
        assert rest.min - 1e-6 <= braking.rest[joint] <= rest.max + 1e-6


@given(share, share, share, share)
def test_it_ends_at_rest_and_without_a_jump(v0, v1, a0, a1) -> None:
    state = np.array([[0.5, 0.01], RATES.velocity * (v0, v1), RATES.acceleration * (a0, a1)])
    braking = Braking(state, RATES)
    assert (braking.durations >= 0).all()
    for joint in (0, 1):
        track = braking.track(joint)
        at = state[:, joint]
        for piece in track:
            c = piece.coefficients
            np.testing.assert_allclose([c[0], c[1], 2 * c[2]], at, atol=1e-9)
            assert abs(6 * c[3]) <= RATES.jerk[joint] * (1 + 1e-9)
            at = np.array(piece.end())
            assert abs(at[2]) <= RATES.acceleration[joint] * (1 + 1e-9)
        np.testing.assert_allclose(at[1:], 0.0, atol=1e-7)
        assert abs(at[0] - braking.rest[joint]) < 1e-9


@given(share, share, share, share, st.floats(0.0, 1.0), st.floats(0.0, 0.1))
def test_the_quick_bound_never_promises_too_much(v0, v1, a0, a1, room0, room1) -> None:
    state = np.array([[0.0, 0.0], RATES.velocity * (v0, v1), RATES.acceleration * (a0, a1)])
    upper = np.array([room0, room1])
    sure = surely_within(state, -upper, upper, RATES, RATES)
    braking = Braking(state, RATES)
    for joint in np.flatnonzero(sure).tolist():
        rates = (RATES.velocity[joint], RATES.acceleration[joint], RATES.jerk[joint])
        bounds = Bounds(-upper[joint] - 1e-9, upper[joint] + 1e-9, *(r * (1 + 1e-9) for r in rates))
        assert track_is_within(braking.track(joint), bounds)


def test_rest_needs_no_time() -> None:
    braking = Braking(np.array([[0.3, 0.01], [0.0, 0.0], [0.0, 0.0]]), RATES)
    np.testing.assert_array_equal(braking.durations, 0.0)
    np.testing.assert_array_equal(braking.rest, [0.3, 0.01])
    assert Plan.resting(braking.rest, 0.0).end == 0.0
