# SPDX-License-Identifier: Apache-2.0
"""A world that is where a test puts it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulation.tasks.objects import FIXTURES, grasp_object


@dataclass
class FakeWorld:
    places: dict[str, np.ndarray] = field(default_factory=dict)
    opening: float = 0.08
    tool_position: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 0.3]))

    def object_position(self, name: str) -> np.ndarray:
        return self.places[name]

    def move(self, name: str, *offset: float) -> None:
        self.places[name] = self.places[name] + np.array(offset)


def settled(task, scene) -> FakeWorld:
    """The world at the start of the scene, things resting on the floor; `begin` is called."""
    world = FakeWorld({name: np.array(position) for name, (position, _) in scene.poses.items()})
    for name in task.present:
        world.places[name][2] = grasp_object(name).below
    task.begin(world)
    assert set(scene.poses) - set(task.present) <= {*FIXTURES, "basket"}
    return world
