# SPDX-License-Identifier: Apache-2.0
"""Task `stack`: three boxes lie around, one of them is to lie on top of another."""

from __future__ import annotations

import itertools

import numpy as np

from simulation.tasks.objects import (
    LYING_OBJECTS,
    OBJECTS,
    grasp_object,
    tool_start,
)
from simulation.tasks.placing import PlacingTask
from simulation.tasks.scattering import Area, draw_in_turn, scattered
from simulation.tasks.task import Array, Goal, Scene, World

_AREA = Area((-0.15, 0.13), (-0.18, 0.18))


class Stack(PlacingTask):
    """Scenes, instructions and judgement of `stack`."""

    name = "stack"
    off_place_m = 0.025
    objects = tuple(item.name for item in LYING_OBJECTS)
    all_goals = tuple(Goal(*pair) for pair in itertools.permutations(objects, 2))
    wordings = (
        "put the {object} on top of the {destination}",
        "stack the {object} on the {destination}",
        "place the {object} onto the {destination}",
        "take the {object} and set it on the {destination}",
    )
    held_out_wordings = (
        "set the {object} on top of the {destination}",
        "take the {object} and put it on the {destination}",
    )

    def _draw(self, rng: np.random.Generator) -> Scene:
        chosen = OBJECTS if self.layout.more_objects else LYING_OBJECTS
        places = draw_in_turn(rng, chosen, _AREA.margin() if self.layout.unseen_places else _AREA)
        poses = scattered(rng, chosen, places)
        drawn = int(rng.integers(len(self.all_goals)))
        present = tuple(item.name for item in chosen)
        return Scene(poses, tool_start(rng), present, self.all_goals, drawn)

    def goal_position(self, world: World) -> Array:
        """On the middle of the other box."""
        under = world.object_position(self.goal.destination)
        height = grasp_object(self.goal.destination).above + grasp_object(self.goal.object).below
        place: Array = under + np.array([0.0, 0.0, height])
        return place
