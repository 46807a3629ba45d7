# SPDX-License-Identifier: Apache-2.0
"""What the training wants to know about a state of the simulated robot."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from quantvla_ros.sim.expert import Expert, execute
from quantvla_ros.sim.robot import SimulatedRobot
from quantvla_ros.sim.tasks.pick_place import BASKET
from quantvla_ros.sim.tasks.task import Task

HORIZON = 16


def label_chunk(
    robot: SimulatedRobot, task: Task, horizon: int = HORIZON
) -> npt.NDArray[np.float32]:
    """Let the expert carry on from here, undisturbed, and put everything back as it was.

    Returns:
        [horizon, 8]: absolute arm targets, rad, and the finger goal, m, 0.1 s apart.
    """
    before = robot.save_state()
    expert = Expert.resume(robot, task)
    rows = []
    for _ in range(horizon):
        action = expert.act()
        rows.append(action.label())
        execute(robot, action)
    robot.restore_state(before)
    return np.stack(rows)


def scene_labels(robot: SimulatedRobot, task: Task) -> dict[str, npt.NDArray[Any]]:
    """Measure the state and the scene now.

    Returns:
        joints: float32 [8]; tip: float32 [3], m, frame panda_link0; target: int8, index of the
        instruction's object; positions: float32 [6, 3], m, frame panda_link0, the five objects in
        the task's order and the basket; uv: float32 [6, 2, 2], their image coordinates in
        (front, wrist), 0 to 1 inside the picture, -9 behind the camera.
    """
    names = (*task.objects, BASKET)
    world = np.stack([robot.object_position(name) for name in names])
    return {
        "joints": robot.positions.astype(np.float32),
        "tip": (robot.tool_position - robot.base_position).astype(np.float32),
        "target": np.int8(task.objects.index(task.target)),
        "positions": (world - robot.base_position).astype(np.float32),
        "uv": robot.project(world),
    }
