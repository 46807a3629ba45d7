# SPDX-License-Identifier: Apache-2.0
"""Task `push`: one of two boxes is to be pushed onto a red or a blue square on the floor."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from simulation.tasks.objects import (
    BLUE_SQUARE,
    LYING_OBJECTS,
    OBJECTS,
    RED_SQUARE,
    SQUARE_HALF_WIDTH_M,
    GraspObject,
    grasp_object,
    tool_start,
)
from simulation.tasks.pushing import HAND_OFF_M, PushExpert
from simulation.tasks.scattering import Area, draw_in_turn, scattered, set_down
from simulation.tasks.task import Array, Goal, Scene, Task, World

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot

SQUARES = (RED_SQUARE, BLUE_SQUARE)

_AREA = Area((-0.13, -0.07), (-0.14, 0.14))
_SPACE_M = 0.15
_THIRD_PLACE = np.array([-0.03, 0.24])  # in nobody's way; it is not asked for
_SQUARE_PLACE, _SQUARE_JITTER = np.array([0.10, 0.085, 0.0]), np.array([0.02, 0.015, 0.0])
_UNSEEN_SQUARE_X = 0.06
_ACROSS = np.pi / 2  # the long side faces the hand: a broad side is pushed straighter
_LIFTED_M = 0.02
_UNTURNED = np.array([1.0, 0.0, 0.0, 0.0])


class Push(Task):
    """Scenes, instructions and judgement of `push`."""

    name = "push"
    objects = tuple(item.name for item in LYING_OBJECTS)
    all_goals = tuple(Goal(*pair) for pair in itertools.product(objects, SQUARES))
    wordings = (
        "push the {object} to the {destination}",
        "push the {object} onto the {destination}",
        "slide the {object} to the {destination}",
        "slide the {object} over to the {destination}",
    )
    held_out_wordings = (
        "slide the {object} onto the {destination}",
        "push the {object} over to the {destination}",
    )

    def __init__(self) -> None:
        """No episode yet."""
        super().__init__()
        self._lifted = False

    def _draw(self, rng: np.random.Generator) -> Scene:
        chosen = [LYING_OBJECTS[i] for i in sorted(rng.choice(len(LYING_OBJECTS), 2, False))]
        places = self._box_places(rng, chosen)
        poses = scattered(rng, chosen, places, _ACROSS)
        if self.layout.more_objects:
            third = next(item for item in LYING_OBJECTS if item not in chosen)
            aside = _THIRD_PLACE * [1.0, rng.choice([-1.0, 1.0])]
            poses[third.name] = set_down(rng, third, aside, _ACROSS)
        side = rng.choice([-1.0, 1.0])
        for name, sign in ((RED_SQUARE, side), (BLUE_SQUARE, -side)):
            place = _SQUARE_PLACE * [1.0, sign, 1.0] + rng.uniform(-1, 1, 3) * _SQUARE_JITTER
            if self.layout.unseen_places:
                place[0] = _UNSEEN_SQUARE_X
            poses[name] = (place, _UNTURNED)
        present = tuple(item.name for item in OBJECTS if item.name in poses)
        asked = {item.name for item in chosen}
        goals = tuple(goal for goal in self.all_goals if goal.object in asked)
        return Scene(poses, tool_start(rng), present, goals, int(rng.integers(len(goals))))

    def _box_places(self, rng: np.random.Generator, chosen: list[GraspObject]) -> Array:
        """Far enough apart along y that neither lies in the way of the other."""
        while True:
            area = _AREA.margin() if self.layout.unseen_places else _AREA
            places = draw_in_turn(rng, chosen, area)
            if abs(places[0, 1] - places[1, 1]) > _SPACE_M:
                return places

    def begin(self, world: World) -> None:
        """Note the settled scene at the start of an episode."""
        super().begin(world)
        self._lifted = False

    def observe(self, world: World) -> None:
        """Note what leaves its place first, and whether anything is lifted."""
        super().observe(world)
        self._lifted = self._lifted or any(
            world.object_position(name)[2] > grasp_object(name).below + _LIFTED_M
            for name in self.present
        )

    def goal_position(self, world: World) -> Array:
        """On the middle of the square."""
        height = grasp_object(self.goal.object).below
        place: Array = world.object_position(self.goal.destination) + np.array([0.0, 0.0, height])
        return place

    def success(self, world: World) -> bool:
        """The box's middle is on the square, never lifted; the hand is off, nothing else moved."""
        offset = world.object_position(self.goal.object) - self.goal_position(world)
        return (
            bool(np.abs(offset[:2]).max() < SQUARE_HALF_WIDTH_M)
            and not self._lifted
            and bool(world.tool_position[2] > HAND_OFF_M)
            and self.undisturbed(world)
        )

    def memory(self) -> object:
        """Return what `restore` takes."""
        return (super().memory(), self._lifted)

    def restore(self, memory: object) -> None:
        """Take back what `memory` returned."""
        if not isinstance(memory, tuple):
            raise TypeError("not what memory() returned")
        super().restore(memory[0])
        self._lifted = bool(memory[1])

    def expert(self, robot: SimulatedRobot) -> PushExpert:
        """Return an expert that pushes with closed fingers."""
        return PushExpert(robot, self)
