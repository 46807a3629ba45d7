# SPDX-License-Identifier: Apache-2.0
"""Draws where things lie, so that the hand has room beside each of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulation.tasks.objects import YAW_RAD, GraspObject, Pose, turned, upright
from simulation.tasks.task import Array

# The hand is wide along y: a neighbour of a standing carton must leave room for it there.
_CLEARANCE_STANDING, _CLEARANCE_FLAT = (0.09, 0.17), (0.105, 0.10)
_MARGIN_M = 0.03
_TRIES = 200


@dataclass(frozen=True)
class Area:
    """A rectangle of the floor, m, world frame, perhaps with a hole in the middle."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    hole: Area | None = None

    def margin(self) -> Area:
        """Return the frame of 3 cm around this area, where nothing lies in training."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        wider = (x0 - _MARGIN_M, x1 + _MARGIN_M), (y0 - _MARGIN_M, y1 + _MARGIN_M)
        return Area(*wider, hole=self)

    def contains(self, place: Array) -> bool:
        """Whether the place [2] is inside."""
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        inside = x0 <= place[0] <= x1 and y0 <= place[1] <= y1
        return bool(inside and not (self.hole is not None and self.hole.contains(place)))

    def draw(self, rng: np.random.Generator) -> Array:
        """Draw a place [2]."""
        while True:
            place = np.array([rng.uniform(*self.x_range), rng.uniform(*self.y_range)])
            if self.contains(place):
                return place


@dataclass(frozen=True)
class Taken:
    """A place that things must stay away from as from another object."""

    place: Array
    standing: bool = False
    """Whether a carton stands there."""


def apart(offset: Array, standing: bool) -> bool:
    """Whether the hand has room between two objects; `standing`: one of them is a carton."""
    clearance = _CLEARANCE_STANDING if standing else _CLEARANCE_FLAT
    return bool(abs(offset[0]) >= clearance[0] or abs(offset[1]) >= clearance[1])


def draw_together(rng: np.random.Generator, chosen: Sequence[GraspObject], area: Area) -> Array:
    """Draw floor positions [n, 2], m, all at once, again and again until they fit."""
    while True:
        places = np.stack(
            [rng.uniform(*area.x_range, len(chosen)), rng.uniform(*area.y_range, len(chosen))],
            axis=1,
        )
        if all(
            apart(places[i] - places[j], chosen[i].standing or chosen[j].standing)
            for i, j in itertools.combinations(range(len(chosen)), 2)
        ):
            return places


def draw_in_turn(
    rng: np.random.Generator,
    chosen: Sequence[GraspObject],
    area: Area,
    taken: Sequence[Taken] = (),
) -> Array:
    """Draw floor positions [n, 2], m, one after the other: fast where there is little room."""
    while True:
        spots = list(taken)
        for item in chosen:
            for _ in range(_TRIES):
                place = area.draw(rng)
                if all(apart(place - s.place, s.standing or item.standing) for s in spots):
                    spots.append(Taken(place, item.standing))
                    break
        if len(spots) == len(taken) + len(chosen):
            return np.stack([spot.place for spot in spots[len(taken) :]])


def scattered(
    rng: np.random.Generator, chosen: Sequence[GraspObject], places: Array, heading: float = 0.0
) -> dict[str, Pose]:
    """Poses of objects at their places [n, 2], by name; see `set_down`."""
    pairs = zip(chosen, places, strict=True)
    return {item.name: set_down(rng, item, place, heading) for item, place in pairs}


def set_down(
    rng: np.random.Generator, item: GraspObject, place: Array, heading: float = 0.0
) -> Pose:
    """Return the pose of an object at a place [2], turned by about `heading`, rad."""
    yaw = heading + rng.uniform(-YAW_RAD, YAW_RAD)
    return np.array([*place, item.start_height]), turned(upright(item), yaw)
