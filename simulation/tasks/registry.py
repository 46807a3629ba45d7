# SPDX-License-Identifier: Apache-2.0
"""The task families by name."""

from __future__ import annotations

from collections.abc import Callable

from quantvla_ros.errors import QuantVLAError
from simulation.tasks.beside_plate import BesidePlate
from simulation.tasks.pick_place import PickPlace
from simulation.tasks.push import Push
from simulation.tasks.stack import Stack
from simulation.tasks.task import Task

TASKS: dict[str, Callable[[], Task]] = {
    PickPlace.name: PickPlace,
    Stack.name: Stack,
    BesidePlate.name: BesidePlate,
    Push.name: Push,
}


def make_task(name: str) -> Task:
    """Return a new task.

    Raises:
        QuantVLAError: no task has this name.
    """
    if name not in TASKS:
        raise QuantVLAError(f"Unknown task '{name}'; choose one of: {', '.join(sorted(TASKS))}.")
    return TASKS[name]()


def vocabulary() -> list[str]:
    """Return every word that a training sentence can hold, sorted."""
    words: set[str] = set()
    for factory in TASKS.values():
        task = factory()
        for goal in task.all_goals:
            words |= {*goal.object.split(), *goal.destination.split()}
        words |= set(" ".join(task.wordings).format(object="", destination="").split())
    return sorted(words)
