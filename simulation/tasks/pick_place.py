# SPDX-License-Identifier: Apache-2.0
"""Task `pick_place`: three of five objects lie around, one of them is to go into the basket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulation.expert import Phase
from simulation.tasks.carrying import CarryExpert
from simulation.tasks.objects import (
    BASKET,
    OBJECTS,
    OPEN_GRIPPER_M,
    basket_pose,
    tool_start,
)
from simulation.tasks.scattering import Area, draw_in_turn, draw_together, scattered
from simulation.tasks.task import Array, Goal, Layout, Scene, Task, World

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot

SCENE_OBJECTS = 3

_AREA = Area((-0.15, 0.13), (-0.27, 0.06))
_BASKET_PLACE, _BASKET_JITTER = np.array([0.0, 0.26, 0.01]), np.array([0.03, 0.015, 0.0])
_BASKET_HALF_WIDTH, _BASKET_DEPTH = 0.07, 0.11
_END_HEIGHT_M = 0.03


def over_basket(world: World, name: str) -> bool:
    """Whether the object is in the basket or above it."""
    offset = world.object_position(name) - world.object_position(BASKET)
    return bool(np.abs(offset[:2]).max() < _BASKET_HALF_WIDTH)


def in_basket(world: World, name: str) -> bool:
    """Whether the object lies inside the basket."""
    height = world.object_position(name)[2] - world.object_position(BASKET)[2]
    return over_basket(world, name) and bool(height < _BASKET_DEPTH)


class PickPlace(Task):
    """Scenes, instructions and judgement of `pick_place`."""

    name = "pick_place"
    objects = tuple(item.name for item in OBJECTS)
    all_goals = tuple(Goal(item.name, BASKET) for item in OBJECTS)
    wordings = (
        "put the {object} in the {destination}",
        "place the {object} in the {destination}",
        "move the {object} into the {destination}",
        "pick up the {object} and put it in the {destination}",
    )
    held_out_wordings = (
        "pick up the {object} and place it in the {destination}",
        "put the {object} into the {destination}",
    )

    def _draw(self, rng: np.random.Generator) -> Scene:
        count = len(OBJECTS) if self.layout.more_objects else SCENE_OBJECTS
        chosen = [OBJECTS[i] for i in sorted(rng.choice(len(OBJECTS), count, False))]
        if self.layout == Layout():
            places = draw_together(rng, chosen, _AREA)
        else:
            places = draw_in_turn(
                rng, chosen, _AREA.margin() if self.layout.unseen_places else _AREA
            )
        poses = scattered(rng, chosen, places)
        poses[BASKET] = basket_pose(_BASKET_PLACE + rng.uniform(-1, 1, 3) * _BASKET_JITTER)
        present = tuple(item.name for item in chosen)
        goals = tuple(Goal(name, BASKET) for name in present)
        drawn = int(rng.integers(len(goals)))
        return Scene(poses, tool_start(rng), present, goals, drawn)

    def goal_position(self, world: World) -> Array:
        """A little above the middle of the basket's bottom."""
        place: Array = world.object_position(BASKET) + np.array([0.0, 0.0, _END_HEIGHT_M])
        return place

    def success(self, world: World) -> bool:
        """The named object is in the basket, it alone, and the gripper has let go."""
        inside = [name for name in self.present if in_basket(world, name)]
        return inside == [self.goal.object] and world.opening > OPEN_GRIPPER_M

    def expert(self, robot: SimulatedRobot) -> CarryExpert:
        """Return an expert that drops the object into the basket from above."""
        return CarryExpert(robot, self)

    def resume_expert(self, robot: SimulatedRobot) -> CarryExpert:
        """Return an expert that goes on from here."""
        expert = self.expert(robot)
        if over_basket(robot, self.goal.object) and robot.opening > OPEN_GRIPPER_M:
            expert.phase = Phase.RELEASE  # it may still be falling
        else:
            expert.resume()
        return expert
