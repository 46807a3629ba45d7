# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np

from simulation.tasks.objects import LYING_OBJECTS, OBJECTS
from simulation.tasks.scattering import Area, Taken, apart, draw_in_turn, set_down

AREA = Area((-0.2, 0.2), (-0.3, 0.3))


def test_things_drawn_in_turn_lie_apart_and_away_from_what_is_taken():
    rng = np.random.default_rng(0)
    taken = [Taken(np.zeros(2), standing=True)]
    for _ in range(20):
        places = draw_in_turn(rng, OBJECTS[1:4], AREA, taken)
        assert all(AREA.contains(place) and apart(place, True) for place in places)
        for i, j in itertools.combinations(range(3), 2):
            assert apart(places[i] - places[j], OBJECTS[1 + i].standing or OBJECTS[1 + j].standing)


def test_the_margin_is_around_the_area_and_never_in_it():
    rng = np.random.default_rng(0)
    margin = AREA.margin()
    places = np.stack([margin.draw(rng) for _ in range(200)])
    assert not any(AREA.contains(place) for place in places)
    assert np.all(np.abs(places) <= [0.23, 0.33])
    assert all(np.any(places[:, k] * sign > 0.2) for k in (0, 1) for sign in (-1, 1))


def test_heading_turns_the_long_side():
    item = LYING_OBJECTS[0]
    _, quaternion = set_down(np.random.default_rng(0), item, np.zeros(2), heading=np.pi / 2)
    yaw = 2 * np.arctan2(quaternion[3], quaternion[0])
    assert abs(yaw - np.pi / 2) <= 0.2
