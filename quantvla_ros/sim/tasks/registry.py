# SPDX-License-Identifier: Apache-2.0
"""The task families by name."""

from __future__ import annotations

from collections.abc import Callable

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.sim.tasks.pick_place import PickPlace
from quantvla_ros.sim.tasks.task import Task

TASKS: dict[str, Callable[[], Task]] = {PickPlace.name: PickPlace}


def make_task(name: str) -> Task:
    """Return a new task.

    Raises:
        QuantVLAError: no task has this name.
    """
    if name not in TASKS:
        raise QuantVLAError(f"Unknown task '{name}'; choose one of: {', '.join(sorted(TASKS))}.")
    return TASKS[name]()
