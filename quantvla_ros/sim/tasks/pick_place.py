# SPDX-License-Identifier: Apache-2.0
"""Task `pick_place`: three of five objects lie around, the instruction says which to take."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.sim.tasks.task import Array, Scene, World

BASKET = "basket"
INSTRUCTION = "put the {} in the basket"
SCENE_OBJECTS = 3
OPEN_GRIPPER_M = 0.06

_X_RANGE, _Y_RANGE = (-0.15, 0.13), (-0.27, 0.06)
_YAW_RAD = 0.2
# The hand is wide along y: a neighbour of a standing carton must leave room for it there.
_CLEARANCE_STANDING, _CLEARANCE_FLAT = (0.09, 0.17), (0.105, 0.10)
_LYING = np.array([1.0, 0.0, 0.0, 0.0])
_STANDING = np.array([0.5, 0.5, 0.5, 0.5])
_BASKET_TURN = np.array([np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)])
_BASKET_PLACE, _BASKET_JITTER = np.array([0.0, 0.26, 0.01]), np.array([0.03, 0.015, 0.0])
_TOOL_PLACE, _TOOL_JITTER = np.array([-0.13, -0.015, 0.26]), np.array([0.03, 0.045, 0.02])
_PARKED_X, _PARKED_SPACING = -3.0, 0.4
_PARKED_HEIGHT = 0.07
_BASKET_HALF_WIDTH, _BASKET_DEPTH = 0.07, 0.11
_LIFTED_M = 0.04


@dataclass(frozen=True)
class GraspObject:
    """An object and how it is gripped."""

    name: str
    standing: bool
    start_height: float
    """Height of the body's origin when it is set down, m."""

    grasp_height: float
    """Height of the grip site when gripping, m: standing cartons are taken near their top."""


OBJECTS = (
    GraspObject("cream cheese", False, 0.016, 0.012),
    GraspObject("butter", False, 0.016, 0.012),
    GraspObject("chocolate pudding", False, 0.016, 0.014),
    GraspObject("milk", True, 0.07, 0.099),
    GraspObject("orange juice", True, 0.07, 0.099),
)


def grasp_object(name: str) -> GraspObject:
    """Return the object of this name (KeyError otherwise)."""
    return {item.name: item for item in OBJECTS}[name]


def over_basket(world: World, name: str) -> bool:
    """Whether the object is in the basket or above it."""
    offset = world.object_position(name) - world.object_position(BASKET)
    return bool(np.abs(offset[:2]).max() < _BASKET_HALF_WIDTH)


def in_basket(world: World, name: str) -> bool:
    """Whether the object lies inside the basket."""
    height = world.object_position(name)[2] - world.object_position(BASKET)[2]
    return over_basket(world, name) and bool(height < _BASKET_DEPTH)


class PickPlace:
    """Scenes, instructions and judgement of `pick_place`."""

    name = "pick_place"
    objects = tuple(item.name for item in OBJECTS)

    def __init__(self) -> None:
        """No episode yet."""
        self.present: tuple[str, ...] = ()
        self.target = ""
        self.first_lifted: str | None = None
        self._start_heights: dict[str, float] = {}

    @property
    def instruction(self) -> str:
        """The sentence for the current target."""
        return INSTRUCTION.format(self.target)

    def reset(self, seed: int, target: str | None = None) -> Scene:
        """Draw the scene of `seed`.

        Raises:
            QuantVLAError: the target is not one of the scene's objects.
        """
        rng = np.random.default_rng(seed)
        chosen = [OBJECTS[i] for i in sorted(rng.choice(len(OBJECTS), SCENE_OBJECTS, False))]
        places = _free_places(rng, chosen)
        poses = {
            item.name: (
                np.array([_PARKED_X - _PARKED_SPACING * i, 0.0, _PARKED_HEIGHT]),
                _upright(item),
            )
            for i, item in enumerate(OBJECTS)
        }
        for item, place in zip(chosen, places, strict=True):
            position = np.array([*place, item.start_height])
            poses[item.name] = (position, _turned(_upright(item), rng.uniform(-_YAW_RAD, _YAW_RAD)))
        basket = _BASKET_PLACE + rng.uniform(-1, 1, 3) * _BASKET_JITTER
        poses[BASKET] = (basket, _BASKET_TURN)
        present = tuple(item.name for item in chosen)
        drawn = present[int(rng.integers(len(present)))]
        if target is not None and target not in present:
            raise QuantVLAError(
                f"There is no '{target}' in the scene of seed {seed}; it has: {', '.join(present)}."
            )
        self.present = present
        self.target = drawn if target is None else target
        return Scene(poses, _TOOL_PLACE + rng.uniform(-1, 1, 3) * _TOOL_JITTER)

    def begin(self, world: World) -> None:
        """Remember how high the settled objects lie."""
        self.first_lifted = None
        self._start_heights = {name: world.object_position(name)[2] for name in self.present}

    def observe(self, world: World) -> None:
        """Note which object leaves the floor first."""
        if self.first_lifted is None:
            for name, height in self._start_heights.items():
                if world.object_position(name)[2] > height + _LIFTED_M:
                    self.first_lifted = name
                    return

    def success(self, world: World) -> bool:
        """The named object is in the basket, it alone, and the gripper has let go."""
        inside = [name for name in self.present if in_basket(world, name)]
        return inside == [self.target] and world.opening > OPEN_GRIPPER_M

    def memory(self) -> object:
        """Return what `restore` takes."""
        return (self.first_lifted, self.target)

    def restore(self, memory: object) -> None:
        """Take back what `memory` returned."""
        self.first_lifted, self.target = memory  # type: ignore[misc]


def _free_places(rng: np.random.Generator, chosen: list[GraspObject]) -> Array:
    """Draw floor positions [n, 2] that leave the hand room beside each object."""
    while True:
        places = np.stack(
            [rng.uniform(*_X_RANGE, len(chosen)), rng.uniform(*_Y_RANGE, len(chosen))], axis=1
        )
        if all(
            _apart(places[i] - places[j], chosen[i].standing or chosen[j].standing)
            for i, j in itertools.combinations(range(len(chosen)), 2)
        ):
            return places


def _apart(offset: Array, standing: bool) -> bool:
    clearance = _CLEARANCE_STANDING if standing else _CLEARANCE_FLAT
    return bool(abs(offset[0]) >= clearance[0] or abs(offset[1]) >= clearance[1])


def _upright(item: GraspObject) -> Array:
    return _STANDING if item.standing else _LYING


def _turned(quaternion: Array, yaw: float) -> Array:
    """Rotate about the world's z axis (Hamilton product, w first)."""
    w, z = np.cos(yaw / 2), np.sin(yaw / 2)
    a, b, c, d = quaternion
    return np.array([w * a - z * d, w * b - z * c, w * c + z * b, w * d + z * a])
