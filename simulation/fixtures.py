# SPDX-License-Identifier: Apache-2.0
"""Things of simple shapes that tasks put on the floor and nothing moves: a plate, two squares."""

from __future__ import annotations

import mujoco

from simulation.cameras import VISUAL_GEOM_GROUP
from simulation.tasks.objects import (
    BLUE_SQUARE,
    PLATE,
    PLATE_HEIGHT_M,
    PLATE_RADIUS_M,
    RED_SQUARE,
    SQUARE_HALF_WIDTH_M,
)

_PLATE_RIM, _PLATE_MIDDLE = (0.93, 0.93, 0.9, 1.0), (0.25, 0.45, 0.35, 1.0)
_MIDDLE_SHARE = 0.6
_SQUARES = {RED_SQUARE: (0.8, 0.1, 0.08, 1.0), BLUE_SQUARE: (0.1, 0.2, 0.8, 1.0)}
_MARK_HALF_HEIGHT_M = 0.0008


def add_fixtures(spec: mujoco.MjSpec) -> None:
    """Add them as bodies that are moved by `mocap_pos`; squares can be driven over."""
    plate = spec.worldbody.add_body(name=PLATE, mocap=True)
    half = PLATE_HEIGHT_M / 2
    plate.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[PLATE_RADIUS_M, half, 0.0],
        pos=[0.0, 0.0, half],
        rgba=_PLATE_RIM,
        group=VISUAL_GEOM_GROUP,
    )
    _add_mark(
        plate,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        [PLATE_RADIUS_M * _MIDDLE_SHARE, _MARK_HALF_HEIGHT_M, 0.0],
        PLATE_HEIGHT_M,
        _PLATE_MIDDLE,
    )
    for name, colour in _SQUARES.items():
        body = spec.worldbody.add_body(name=name, mocap=True)
        size = [SQUARE_HALF_WIDTH_M, SQUARE_HALF_WIDTH_M, _MARK_HALF_HEIGHT_M]
        _add_mark(body, mujoco.mjtGeom.mjGEOM_BOX, size, _MARK_HALF_HEIGHT_M, colour)


def _add_mark(
    body: mujoco.MjsBody,
    shape: mujoco.mjtGeom,
    size: list[float],
    height: float,
    colour: tuple[float, float, float, float],
) -> None:
    body.add_geom(
        type=shape,
        size=size,
        pos=[0.0, 0.0, height],
        rgba=colour,
        group=VISUAL_GEOM_GROUP,
        contype=0,
        conaffinity=0,
    )
