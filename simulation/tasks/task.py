# SPDX-License-Identifier: Apache-2.0
"""What a task family provides, and what a task may ask of the robot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from quantvla_ros.errors import QuantVLAError

if TYPE_CHECKING:
    from simulation.expert import Expert
    from simulation.robot import SimulatedRobot


Array = npt.NDArray[np.float64]

_MOVED_M = 0.03
_UNDISTURBED_M = 0.04


@dataclass(frozen=True)
class Goal:
    """What an instruction asks for."""

    object: str
    """The thing to be moved, as the instruction names it ("butter")."""

    destination: str
    """Where to, as the instruction names it ("basket", "milk", "red square")."""


@dataclass(frozen=True)
class Layout:
    """How scenes are drawn; the default is what the training sees."""

    more_objects: bool = False
    unseen_places: bool = False


@dataclass(frozen=True)
class Scene:
    """Where things start, and what can be asked for; positions in the world frame."""

    poses: Mapping[str, tuple[Array, Array]]
    """Name -> position [3], m, and quaternion [4] (w first); all else is parked out of sight."""

    tool_position: Array
    """Start of the tool [3], m."""

    present: tuple[str, ...]
    """The things in reach that may be moved."""

    goals: tuple[Goal, ...]
    """All that can be asked for, at least two."""

    drawn: int
    """Index of the goal that the seed asks for."""


class World(Protocol):
    """The part of the simulated robot that tasks judge by."""

    @property
    def opening(self) -> float:
        """Distance between the fingers, m."""
        ...

    @property
    def tool_position(self) -> Array:
        """Position of the tool [3], m, world frame."""
        ...

    def object_position(self, name: str) -> Array:
        """Position of an object's body [3], m, world frame."""
        ...


class Task(ABC):
    """A family of scenes and instructions; holds the current episode."""

    name: str
    objects: tuple[str, ...]
    """All things that an instruction may ask to move."""

    all_goals: tuple[Goal, ...]
    """Every goal that some scene has."""

    wordings: tuple[str, ...]
    """Templates with `{object}` and `{destination}`; the training uses these alone."""

    held_out_wordings: tuple[str, ...]
    """Templates for evaluation, of words that also occur in the wordings of some family."""

    def __init__(self) -> None:
        """No episode yet."""
        self.layout = Layout()
        self.present: tuple[str, ...] = ()
        self.goals: tuple[Goal, ...] = ()
        self.first_moved: str | None = None
        self._goal = Goal("", "")
        self._starts: dict[str, Array] = {}

    @property
    def goal(self) -> Goal:
        """What is asked for now; may be set to another one of `goals`.

        Raises:
            QuantVLAError: on setting a goal that this scene does not have.
        """
        return self._goal

    @goal.setter
    def goal(self, goal: Goal) -> None:
        if goal not in self.goals:
            raise QuantVLAError(
                f"'{goal.object}' to '{goal.destination}' is no goal of this scene; it has: "
                + ", ".join(f"'{g.object}' to '{g.destination}'" for g in self.goals)
                + "."
            )
        self._goal = goal

    def words(self, template: str) -> str:
        """Return the sentence for the current goal in this template."""
        return template.format(object=self._goal.object, destination=self._goal.destination)

    def reset(self, seed: int, goal: int | None = None) -> Scene:
        """Draw the scene of `seed`.

        Args:
            seed: same seed and layout, same scene.
            goal: index into the scene's goals, modulo their number; drawn from the seed when None.
        """
        scene = self._draw(np.random.default_rng(seed))
        self.present, self.goals = scene.present, scene.goals
        self._goal = scene.goals[scene.drawn if goal is None else goal % len(scene.goals)]
        return scene

    def begin(self, world: World) -> None:
        """Note where the settled things lie at the start of an episode."""
        self.first_moved = None
        self._starts = {name: world.object_position(name) for name in self.present}

    def observe(self, world: World) -> None:
        """Note which thing leaves its place first; called after every advance."""
        if self.first_moved is None:
            moved = (name for name in self.present if self.displacement(world, name) > _MOVED_M)
            self.first_moved = next(moved, None)

    def displacement(self, world: World, name: str) -> float:
        """How far a thing is from where it started, m."""
        return float(np.linalg.norm(world.object_position(name) - self._starts[name]))

    def undisturbed(self, world: World) -> bool:
        """Whether everything but the goal's object is about where it started."""
        others = (name for name in self.present if name != self.goal.object)
        return all(self.displacement(world, name) < _UNDISTURBED_M for name in others)

    def memory(self) -> object:
        """Return what `restore` takes."""
        return (self.first_moved, self._goal)

    def restore(self, memory: object) -> None:
        """Take back what `memory` returned."""
        self.first_moved, self._goal = memory  # type: ignore[misc]

    @abstractmethod
    def _draw(self, rng: np.random.Generator) -> Scene:
        """Draw a scene by `layout`."""

    @abstractmethod
    def goal_position(self, world: World) -> Array:
        """Where the goal's object should end: its origin [3], m, world frame."""

    @abstractmethod
    def success(self, world: World) -> bool:
        """Whether the current instruction has been carried out, and nothing else."""

    @abstractmethod
    def expert(self, robot: SimulatedRobot) -> Expert:
        """Return a scripted expert at its beginning."""

    def resume_expert(self, robot: SimulatedRobot) -> Expert:
        """Return a scripted expert that continues from any state of the robot."""
        expert = self.expert(robot)
        expert.resume()
        return expert


_SHOWN = 80  # characters of a sentence


def meant_goal(task: Task, sentence: str) -> Goal | None:
    """Return the goal whose object and then destination the sentence names.

    A sentence without a destination means the first goal of the object that it names; None when
    it names no object of the scene.
    """
    whole = [g for g in task.goals if 0 <= sentence.find(g.object) < _destination(g, sentence)]
    named = [g for g in task.goals if g.object in sentence]
    return next(iter(whole + named), None)


def no_goal_meant(task: Task, sentence: str) -> str:
    """What to tell the operator of a sentence for which `meant_goal` finds no goal."""
    asked = ", ".join(dict.fromkeys(f"'{goal.object}'" for goal in task.goals))
    return (
        f"The instruction {sentence[:_SHOWN]!r} names no object of this scene, which has: {asked}. "
        f"Success is still judged for '{task.goal.object}' to '{task.goal.destination}'."
    )


def _destination(goal: Goal, sentence: str) -> int:
    return sentence.find(goal.destination, sentence.find(goal.object) + len(goal.object))
