# SPDX-License-Identifier: Apache-2.0
"""What a task family has to provide, and what a task may ask of the robot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Where things start, world frame."""

    poses: Mapping[str, tuple[Array, Array]]
    """Name -> position [3], m, and quaternion [4] (w first)."""

    tool_position: Array


class World(Protocol):
    """The part of the simulated robot that tasks judge by."""

    @property
    def opening(self) -> float:
        """Distance between the fingers, m."""
        ...

    def object_position(self, name: str) -> Array:
        """Position of an object's body [3], m, world frame."""
        ...


class Task(Protocol):
    """A family of scenes and instructions; holds the current episode."""

    name: str
    objects: tuple[str, ...]
    """All objects that an instruction may name; their order is the index in training data."""

    present: tuple[str, ...]
    """The objects of the current scene."""

    target: str
    """The object that the current instruction names; may be set to another present one."""

    first_lifted: str | None

    @property
    def instruction(self) -> str:
        """The sentence for the current target."""
        ...

    def reset(self, seed: int, target: str | None = None) -> Scene:
        """Draw the scene of `seed`; raises QuantVLAError when the target is not in it."""
        ...

    def begin(self, world: World) -> None:
        """Note the settled scene at the start of an episode."""
        ...

    def observe(self, world: World) -> None:
        """Follow what happens; called after every advance."""
        ...

    def success(self, world: World) -> bool:
        """Whether the current instruction has been carried out, and nothing else."""
        ...

    def memory(self) -> object:
        """Return what `observe` has collected, for saving."""
        ...

    def restore(self, memory: object) -> None:
        """Take back what `memory` returned."""
        ...
