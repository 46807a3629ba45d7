# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from calib_tools.buffer.selection import DifferentGroups, Features, spread, thumbnail
from calib_tools.buffer.sources import NearDuplicate

LIMITS = NearDuplicate(joints=0.01, image=0.01)


def group(angle: float, brightness: float = 0.5, text: str = "go") -> Features:
    return Features(np.array([angle, 0.0]), np.full(12, brightness, np.float32), text)


def test_a_thumbnail_is_the_mean_of_tiles():
    pixels = np.zeros((24, 24, 3), np.uint8)
    pixels[:2, :2] = [255, 0, 51]
    small = thumbnail(pixels).reshape(12, 12, 3)
    np.testing.assert_allclose(small[0, 0], [1.0, 0.0, 0.2], atol=1e-6)
    assert small[1:].max() == 0


def test_a_thumbnail_of_a_picture_smaller_than_it():
    assert thumbnail(np.full((5, 7, 3), 255, np.uint8)).shape == (5 * 7 * 3,)


def test_near_duplicates_are_those_close_in_joints_and_picture_and_instruction():
    different = DifferentGroups(LIMITS)
    assert different.add(group(0.0))
    assert not different.add(group(0.009, 0.505))
    assert different.add(group(0.02))
    assert different.add(group(0.0, brightness=0.52))
    assert different.add(group(0.0, text="stop"))
    assert len(different.kept) == 4


def test_spread_prefers_far_candidates_over_frequent_ones():
    resting = [group(0.001 * i) for i in range(50)]
    moving = [group(1.0), group(2.0), group(3.0)]
    chosen = spread(resting + moving, 5)
    assert {50, 51, 52} <= set(chosen)


def test_spread_takes_every_instruction():
    candidates = [group(0.1 * i, text="a") for i in range(30)] + [group(1.5, text="b")]
    assert 30 in spread(candidates, 6)


def test_spread_over_pictures_when_joints_stand_still():
    candidates = [group(0.0, b) for b in (0.5, 0.5, 0.5, 0.5, 0.9, 0.1)]
    assert {4, 5} <= set(spread(candidates, 3))


@given(
    st.lists(
        st.tuples(st.floats(-3, 3), st.floats(0, 1), st.sampled_from("ab")), min_size=1, max_size=40
    ),
    st.integers(1, 50),
)
@example([(0.0, 0.0, "a")] * 3, 2)
def test_spread_chooses_as_many_as_asked_each_once_and_always_the_same(rows, count):
    candidates = [group(*row) for row in rows]
    chosen = spread(candidates, count)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, len(candidates))
    assert chosen == spread(candidates, count)
