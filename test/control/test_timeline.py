# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.timeline import ChunkTimeline, Hold

STAMP = 1.7e9
DT = 0.1


def wave(t: np.ndarray) -> np.ndarray:
    return np.stack([np.sin(2 * t), 0.3 * np.cos(3 * t)], axis=1)


def test_row_k_is_due_k_plus_one_steps_after_the_stamp() -> None:
    points = np.random.default_rng(0).normal(size=(16, 2))
    line = ChunkTimeline(points, STAMP, DT, STAMP)
    due = STAMP + DT * np.arange(1, 17)
    np.testing.assert_allclose(line.sample(due).position, points, atol=1e-5)
    assert line.end == pytest.approx(STAMP + 1.6)


def test_a_smooth_chunk_is_interpolated_with_its_velocity() -> None:
    due = DT * np.arange(1, 17)
    line = ChunkTimeline(wave(due), 0.0, DT, 0.0)
    t = np.linspace(0.4, 1.2, 50)
    state = line.sample(t)
    np.testing.assert_allclose(state.position, wave(t), atol=2e-3)
    velocity = np.stack([2 * np.cos(2 * t), -0.9 * np.sin(3 * t)], axis=1)
    np.testing.assert_allclose(state.velocity, velocity, atol=2e-2)


@given(st.integers(0, 2**32 - 1), st.integers(2, 16), st.floats(-0.2, 2.0))
def test_derivatives_belong_to_the_position_and_join_continuously(seed, rows, at) -> None:
    points = np.random.default_rng(seed).normal(size=(rows, 3))
    line = ChunkTimeline(points, 0.0, DT, 0.0)
    h = 1e-5
    before, here, after = (line.sample(np.array([at + d])) for d in (-h, 0.0, h))
    slope = (after.position - before.position) / (2 * h)
    np.testing.assert_allclose(slope, here.velocity, atol=0.05)
    if at + h < line.end:  # the hold after the end is reached with zero velocity only
        change = np.abs(after.acceleration - before.acceleration)
        assert (change < 1.0).all()


def test_after_its_end_the_last_row_is_held_at_rest() -> None:
    points = np.array([[0.0], [1.0], [3.0]])
    state = ChunkTimeline(points, 0.0, DT, 0.0).sample(np.array([0.3, 0.31, 50.0]))
    np.testing.assert_allclose(state.position, 3.0)
    np.testing.assert_allclose(state.velocity, 0.0, atol=1e-9)


def test_rows_of_the_past_have_no_influence() -> None:
    points = np.random.default_rng(1).normal(size=(10, 2))
    other = points.copy()
    other[:3] += 100.0
    now = 0.47  # between row 3 (due 0.4) and row 4 (due 0.5)
    t = np.linspace(now, 1.5, 40)
    one, two = (ChunkTimeline(p, 0.0, DT, now).sample(t) for p in (points, other))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    other[3] += 1.0
    changed = ChunkTimeline(other, 0.0, DT, now).sample(t)
    assert np.abs(changed.position - one.position).max() > 0.01


def test_a_chunk_of_the_past_is_refused() -> None:
    with pytest.raises(ValueError, match="past"):
        ChunkTimeline(np.zeros((4, 1)), 0.0, DT, 0.4)


def test_one_row_is_a_point_to_hold() -> None:
    line = ChunkTimeline(np.array([[2.0]]), 0.0, DT, 0.0)
    state = line.sample(np.array([0.0, 0.1, 9.0]))
    np.testing.assert_array_equal(state.position, 2.0)
    np.testing.assert_array_equal(state.velocity, 0.0)


def test_hold_stands_still() -> None:
    state = Hold(np.array([1.0, 2.0])).sample(np.array([0.0, 1e9]))
    np.testing.assert_array_equal(state.position, [[1.0, 2.0], [1.0, 2.0]])
    assert not state.velocity.any() and not state.acceleration.any()
