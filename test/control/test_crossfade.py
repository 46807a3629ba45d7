# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.crossfade import Crossfade, smoothstep
from quantvla_ros.control.timeline import ChunkTimeline, Hold

seeds = st.integers(0, 2**32 - 1)


def chunk(seed: int, stamp: float) -> ChunkTimeline:
    points = np.random.default_rng(seed).uniform(-2, 2, size=(12, 2))
    return ChunkTimeline(points, stamp, 0.1, stamp)


@given(seeds, st.floats(0.1, 0.6), st.floats(0.05, 0.4))
def test_before_it_is_the_old_path_and_after_it_the_new_one(seed, start, duration) -> None:
    old, new = chunk(seed, 0.0), chunk(seed + 1, 0.05)
    mixed = Crossfade(old, new, start, duration)
    for part, times in ((old, [0.1, start]), (new, [start + duration + 1e-6, 1.0])):
        for got, wanted in zip(
            mixed.sample(np.array(times)), part.sample(np.array(times)), strict=True
        ):
            np.testing.assert_allclose(got, wanted, atol=1e-6)


@given(seeds, st.floats(0.1, 0.6), st.floats(0.1, 0.4))
def test_continuous_up_to_the_acceleration(seed, start, duration) -> None:
    mixed = Crossfade(chunk(seed, 0.0), chunk(seed + 1, 0.05), start, duration)
    h = 1e-6
    for edge in (start, start + duration, start + duration / 2):
        before, after = mixed.sample(np.array([edge - h])), mixed.sample(np.array([edge + h]))
        np.testing.assert_allclose(before.position, after.position, atol=1e-3)
        np.testing.assert_allclose(before.velocity, after.velocity, atol=1e-2)
        # Jerk is finite (at most about 60 * 4 rad / 0.1^3 s^3), so the difference fades with h.
        np.testing.assert_allclose(before.acceleration, after.acceleration, atol=1.0)


@given(seeds, st.floats(0.2, 0.9))
def test_velocity_and_acceleration_are_the_derivatives(seed, at) -> None:
    mixed = Crossfade(chunk(seed, 0.0), chunk(seed + 1, 0.05), 0.3, 0.3)
    h = 1e-4
    before, here, after = (mixed.sample(np.array([at + d])) for d in (-h, 0.0, h))
    np.testing.assert_allclose(
        (after.position - before.position) / (2 * h), here.velocity, atol=0.05
    )
    np.testing.assert_allclose(
        (after.velocity - before.velocity) / (2 * h), here.acceleration, atol=3.0
    )


def test_what_is_over_is_forgotten() -> None:
    old, new = Hold(np.zeros(1)), Hold(np.ones(1))
    mixed = Crossfade(old, new, 1.0, 0.2)
    assert isinstance(mixed.pruned(1.1), Crossfade)
    assert mixed.pruned(1.2) is new
    assert (
        Crossfade(mixed, Hold(np.ones(1)), 1.3, 0.2).pruned(1.3).sample(np.array([1.3])).position
        == 1.0
    )


def test_smoothstep_rises_from_zero_to_one() -> None:
    value, slope, curvature = smoothstep(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]))
    np.testing.assert_allclose(value, [0, 0, 0.5, 1, 1], atol=1e-12)
    np.testing.assert_allclose(slope, [0, 0, 1.875, 0, 0], atol=1e-12)
    np.testing.assert_allclose(curvature, 0.0, atol=1e-12)
