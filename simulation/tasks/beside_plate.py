# SPDX-License-Identifier: Apache-2.0
"""Task `beside_plate`: one of two things is to stand to the left or to the right of a plate.

Left and right are the robot's: its left is +y.
"""

from __future__ import annotations

import numpy as np

from simulation.tasks.objects import (
    OBJECTS,
    PLATE,
    grasp_object,
    tool_start,
)
from simulation.tasks.placing import PlacingTask
from simulation.tasks.scattering import Area, Taken, draw_in_turn, scattered
from simulation.tasks.task import Array, Goal, Scene, World

SIDES = {"left of the plate": 1.0, "right of the plate": -1.0}

_AREA = Area((-0.15, 0.13), (-0.23, 0.23))
_PLATE_FROM_MIDDLE, _PLATE_Y_RANGE = (0.04, 0.10), (-0.06, 0.06)
_UNSEEN_PLATE_Y = (0.07, 0.09)
_BESIDE_M = 0.13
_UNTURNED = np.array([1.0, 0.0, 0.0, 0.0])


class BesidePlate(PlacingTask):
    """Scenes, instructions and judgement of `beside_plate`."""

    name = "beside_plate"
    off_place_m = 0.03
    objects = tuple(item.name for item in OBJECTS)
    all_goals = tuple(Goal(item.name, side) for item in OBJECTS for side in SIDES)
    wordings = (
        "put the {object} to the {destination}",
        "place the {object} on the {destination}",
        "set the {object} down to the {destination}",
        "move the {object} to the {destination}",
    )
    held_out_wordings = (
        "take the {object} to the {destination}",
        "set the {object} down on the {destination}",
    )

    def _draw(self, rng: np.random.Generator) -> Scene:
        count = 3 if self.layout.more_objects else 2
        chosen = [OBJECTS[i] for i in sorted(rng.choice(len(OBJECTS), count, False))]
        plate = self._plate_place(rng)
        standing = any(item.standing for item in chosen)
        spots = [plate + np.array([0.0, side * _BESIDE_M]) for side in SIDES.values()]
        taken = [Taken(plate), *(Taken(spot, standing) for spot in spots)]
        area = _AREA.margin() if self.layout.unseen_places else _AREA
        places = draw_in_turn(rng, chosen, area, taken)
        poses = scattered(rng, chosen, places)
        poses[PLATE] = (np.array([*plate, 0.0]), _UNTURNED)
        present = tuple(item.name for item in chosen)
        goals = tuple(goal for goal in self.all_goals if goal.object in present)
        return Scene(poses, tool_start(rng), present, goals, int(rng.integers(len(goals))))

    def _plate_place(self, rng: np.random.Generator) -> Array:
        x = rng.uniform(*_PLATE_FROM_MIDDLE) * rng.choice([-1.0, 1.0])
        if self.layout.unseen_places:
            return np.array([x, rng.uniform(*_UNSEEN_PLATE_Y) * rng.choice([-1.0, 1.0])])
        return np.array([x, rng.uniform(*_PLATE_Y_RANGE)])

    def goal_position(self, world: World) -> Array:
        """On the floor, 13 cm beside the plate's middle."""
        aside = SIDES[self.goal.destination] * _BESIDE_M
        offset = np.array([0.0, aside, grasp_object(self.goal.object).below])
        place: Array = world.object_position(PLATE) + offset
        return place
