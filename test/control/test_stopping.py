# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.stopping import SlowedPath, StoppingPath
from quantvla_ros.control.timeline import ChunkTimeline, Hold


@pytest.fixture
def line() -> ChunkTimeline:
    t = 0.1 * np.arange(1, 17)
    return ChunkTimeline(np.stack([np.sin(2 * t), t], axis=1), 0.0, 0.1, 0.0)


def test_until_the_start_it_is_the_path(line) -> None:
    slow, t = SlowedPath(line, 0.5, 0.3), np.linspace(0.1, 0.5, 9)
    for got, wanted in zip(slow.sample(t), line.sample(t), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-12)


def test_it_stands_after_half_the_duration_of_path(line) -> None:
    state = SlowedPath(line, 0.5, 0.3).sample(np.array([0.8, 5.0]))
    np.testing.assert_allclose(
        state.position, np.repeat(line.sample(np.array([0.65])).position, 2, axis=0), atol=1e-12
    )
    np.testing.assert_allclose(state.velocity, 0.0, atol=1e-12)
    np.testing.assert_allclose(state.acceleration, 0.0, atol=1e-12)


def test_it_never_leaves_the_path_nor_turns_back(line) -> None:
    state = SlowedPath(line, 0.5, 0.3).sample(np.linspace(0.4, 1.0, 200))
    own = state.position[:, 1]  # the second joint's path is its own time, so it tells the clock
    assert (np.diff(own) >= -1e-12).all()
    np.testing.assert_allclose(line.sample(own).position[:, 0], state.position[:, 0], atol=1e-3)


def test_derivatives_are_continuous_and_right(line) -> None:
    slow, t, h = SlowedPath(line, 0.5, 0.3), np.linspace(0.45, 0.85, 37), 1e-5
    before, here, after = (slow.sample(t + d) for d in (-h, 0.0, h))
    np.testing.assert_allclose(
        (after.position - before.position) / (2 * h), here.velocity, atol=1e-4
    )
    np.testing.assert_allclose(
        (after.velocity - before.velocity) / (2 * h), here.acceleration, atol=0.02
    )


def test_once_it_stands_it_is_a_point(line) -> None:
    slow = SlowedPath(line, 0.5, 0.3)
    assert slow.pruned(0.79) is slow
    assert isinstance(slow.pruned(0.8), Hold)
    np.testing.assert_allclose(
        slow.pruned(0.8).sample(np.array([0.8])).position, slow.sample(np.array([0.8])).position
    )


def test_axes_that_are_speeds_fade_to_zero_the_others_stop_along_the_path() -> None:
    rows = np.stack([np.full(16, 0.5), 0.1 * np.arange(1.0, 17.0)], axis=1)
    path = ChunkTimeline(rows, 0.0, 0.1, 0.0)
    ended = StoppingPath(path, 0.4, 0.3, np.array([True, False]))
    assert ended.end == pytest.approx(0.7)
    times = np.linspace(0.4, 0.7, 31)
    position, velocity, acceleration = ended.sample(times)
    assert position[0, 0] == pytest.approx(0.5) and (np.diff(position[:, 0]) <= 1e-12).all()
    np.testing.assert_allclose(
        [position[-1, 0], velocity[-1, 0], acceleration[-1, 0]], 0, atol=1e-9
    )
    np.testing.assert_allclose(
        position[:, 1], SlowedPath(path, 0.4, 0.3).sample(times).position[:, 1]
    )
    assert isinstance(ended.pruned(0.5), StoppingPath)
    np.testing.assert_allclose(ended.pruned(0.7).sample(times).position[0], position[-1], atol=1e-9)
