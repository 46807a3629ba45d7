# SPDX-License-Identifier: Apache-2.0
"""The things of the scene: how they stand, how they are gripped, where they are kept unseen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulation.tasks.task import Array

BASKET, PLATE = "basket", "plate"
RED_SQUARE, BLUE_SQUARE = "red square", "blue square"
FIXTURES = (PLATE, RED_SQUARE, BLUE_SQUARE)
"""Things that nothing moves; they lie on the floor."""

PLATE_RADIUS_M, PLATE_HEIGHT_M = 0.055, 0.012
SQUARE_HALF_WIDTH_M = 0.055

OPEN_GRIPPER_M = 0.06
YAW_RAD = 0.2

_LYING = np.array([1.0, 0.0, 0.0, 0.0])
_STANDING = np.array([0.5, 0.5, 0.5, 0.5])
_BASKET_TURN = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
_TOOL_PLACE, _TOOL_JITTER = np.array([-0.13, -0.015, 0.26]), np.array([0.03, 0.045, 0.02])
_PARKED_X, _PARKED_SPACING = -3.0, 0.4
_PARKED_HEIGHT = 0.07

Pose = tuple[Array, Array]


@dataclass(frozen=True)
class GraspObject:
    """An object and how it is gripped."""

    name: str
    standing: bool
    half_widths: tuple[float, float]
    """Half of its length and width on the floor, m."""

    below: float
    """How far it reaches below its origin as it stands, m."""

    above: float
    """How far it reaches above its origin, m."""

    start_height: float
    """Height of the body's origin when it is set down, m."""

    grasp_height: float
    """Height of the grip site when gripping, m: standing cartons are taken near their top."""


OBJECTS = (
    GraspObject("cream cheese", False, (0.041, 0.021), 0.009, 0.009, 0.016, 0.012),
    GraspObject("butter", False, (0.038, 0.020), 0.009, 0.009, 0.016, 0.012),
    GraspObject("chocolate pudding", False, (0.043, 0.028), 0.013, 0.014, 0.016, 0.014),
    GraspObject("milk", True, (0.027, 0.027), 0.070, 0.061, 0.07, 0.099),
    GraspObject("orange juice", True, (0.027, 0.027), 0.070, 0.061, 0.07, 0.099),
)
LYING_OBJECTS = tuple(item for item in OBJECTS if not item.standing)


def grasp_object(name: str) -> GraspObject:
    """Return the object of this name (KeyError otherwise)."""
    return {item.name: item for item in OBJECTS}[name]


def upright(item: GraspObject) -> Array:
    """Return the quaternion [4] in which the object starts, before it is turned."""
    return _STANDING if item.standing else _LYING


def basket_pose(position: Array) -> Pose:
    """Return the pose of the basket, long side along y, at `position` [3], m."""
    return position, _BASKET_TURN


def turned(quaternion: Array, yaw: float) -> Array:
    """Rotate about the world's z axis (Hamilton product, w first)."""
    w, z = np.cos(yaw / 2), np.sin(yaw / 2)
    a, b, c, d = quaternion
    return np.array([w * a - z * d, w * b - z * c, w * c + z * b, w * d + z * a])


def parked_poses() -> dict[str, Pose]:
    """Return a pose out of sight for everything that moves."""
    poses = {item.name: (_parking_place(i), upright(item)) for i, item in enumerate(OBJECTS)}
    poses[BASKET] = basket_pose(_parking_place(len(OBJECTS)))
    for i, name in enumerate(FIXTURES):
        poses[name] = (_parking_place(len(OBJECTS) + 1 + i), _LYING)
    return poses


def _parking_place(number: int) -> Array:
    return np.array([_PARKED_X - _PARKED_SPACING * number, 0.0, _PARKED_HEIGHT])


def tool_start(rng: np.random.Generator) -> Array:
    """Draw where the tool starts [3], m."""
    start: Array = _TOOL_PLACE + rng.uniform(-1, 1, 3) * _TOOL_JITTER
    return start
