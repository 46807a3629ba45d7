# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.braking import Braking, Rates
from quantvla_ros.control.plan import Piece
from quantvla_ros.control.profiles import (
    Bounds,
    reach_track,
    stoppable_velocity,
    track_is_within,
)

BOUNDS = Bounds(-10.0, 10.0, 2.0, 4.0, 90.0)


@given(
    st.floats(-2, 2), st.floats(-1.5, 1.5), st.floats(-3, 3), st.floats(-3, 3), st.floats(-1.5, 1.5)
)
def test_reaching_ends_on_the_target_within_bounds(p, v, a, goal, goal_v) -> None:
    track = reach_track((p, v, a), goal, goal_v, BOUNDS, 0.2)
    assert track is not None
    np.testing.assert_allclose(track[-1].end(), (goal, goal_v, 0.0), atol=1e-5)
    assert sum(piece.duration for piece in track) >= 0.2 - 1e-9
    wider = Bounds(-10.0, 10.0, 2.1, 4.0 + 1e-6, 90.0)
    assert track_is_within(track, wider)


def test_what_ruckig_does_not_accept_gives_none() -> None:
    assert reach_track((math.nan, 0.0, 0.0), 0.0, 0.0, BOUNDS, 0.1) is None
    assert reach_track((0.0, 0.0, 0.0), 0.0, 5.0, BOUNDS, 0.1) is None


@given(st.floats(1e-6, 5.0))
def test_stoppable_velocity_just_fits(distance) -> None:
    v = stoppable_velocity(distance, BOUNDS)
    rates = Rates(*(np.array([x]) for x in (2.0, 4.0, 90.0)))
    rest = Braking(np.array([[0.0], [v], [0.0]]), rates).rest[0]
    assert rest <= distance * (1 + 1e-6)
    if v < BOUNDS.velocity:
        assert rest >= distance * (1 - 1e-6)


def test_no_room_allows_no_velocity() -> None:
    assert stoppable_velocity(0.0, BOUNDS) == 0.0


def test_peaks_inside_a_piece_are_seen() -> None:
    # v = 1.9 + 1.5 t - 7.5 t^2 peaks at 1.975 at t = 0.1; p turns only where v is zero.
    piece = Piece(0.2, (0.0, 1.9, 0.75, -2.5, 0.0, 0.0))
    assert track_is_within([piece], BOUNDS)
    assert not track_is_within([piece], Bounds(-10.0, 10.0, 1.97, 4.0, 90.0))
    # p = t - t^2 peaks at 0.25 at t = 0.5, and is zero at both ends.
    there_and_back = Piece(1.0, (0.0, 1.0, -1.0, 0.0, 0.0, 0.0))
    assert track_is_within([there_and_back], Bounds(-1.0, 0.26, 2.0, 4.0, 90.0))
    assert not track_is_within([there_and_back], Bounds(-1.0, 0.24, 2.0, 4.0, 90.0))
    assert not track_is_within([there_and_back], Bounds(-1.0, 0.26, 2.0, 1.9, 90.0))
