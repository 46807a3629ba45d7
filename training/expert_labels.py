# SPDX-License-Identifier: Apache-2.0
"""Labels of a state of the simulated robot: the expert's chunk, positions, pictures, weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from simulation.expert import Action, Phase, execute
from simulation.robot import SimulatedRobot
from training.data.schema import HORIZON, IMAGE_KEYS


def episode_chunks(
    actions: npt.NDArray[np.float32], events: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Cut an episode's actions into one chunk a frame.

    Args:
        actions: clean action of each frame [T, 8].
        events: [T], True where what follows is no consequence of earlier labels.

    Returns:
        chunk [T, 16, 8]: the actions from this frame on; past the end the last one repeats.
        valid [T, 16]: False from the first event after the chunk's first step.
    """
    count = len(actions)
    index = np.minimum(np.arange(count)[:, None] + np.arange(HORIZON), count - 1)
    event = events[index]
    event[:, 0] = False
    return actions[index], np.cumsum(event, axis=1) == 0


DECISIVE = (Phase.APPROACH, Phase.CLOSE, Phase.PUSH)
LESS_WEIGHT = 0.5
WRONG_HAND_WEIGHT = 3.0
_WRONG_HAND_M = 0.015


def label_chunk(robot: SimulatedRobot, horizon: int = HORIZON) -> npt.NDArray[np.float32]:
    """Let the expert carry on from here, undisturbed, and put everything back as it was.

    Returns:
        [horizon, 8]: absolute arm targets, rad, and the finger goal, m, 0.1 s apart.
    """
    before = robot.save_state()
    expert = robot.task.resume_expert(robot)
    rows = []
    for _ in range(horizon):
        action = expert.act()
        rows.append(action.label())
        execute(robot, action)
    robot.restore_state(before)
    return np.stack(rows)


def observed(robot: SimulatedRobot) -> dict[str, Any]:
    """Measure the state and the scene now: the columns of `data.schema.FEATURES` that can be seen.

    Positions are in metres in the frame panda_link0, which is parallel to the world's.
    """
    goal = robot.task.goal
    images = robot.render()
    things = np.stack([robot.object_position(goal.object), robot.task.goal_position(robot)])
    uv = robot.project(things)
    here, there = (things - robot.base_position).astype(np.float32)
    return {
        **{key: images[key.rsplit(".", 1)[1]] for key in IMAGE_KEYS},
        "observation.state": robot.positions.astype(np.float32),
        "observation.tip": (robot.tool_position - robot.base_position).astype(np.float32),
        "scene.object": here,
        "scene.place": there,
        "scene.object_uv": uv[0],
        "scene.place_uv": uv[1],
        "goal.family": robot.task.name,
        "goal.object": goal.object,
        "goal.destination": goal.destination,
        "task": robot.instruction,
    }


def frame_weight(robot: SimulatedRobot, action: Action, phase: Phase) -> float:
    """How often training should see this frame.

    Reaching the object decides success. An approach with a hand that must first be opened (or
    closed, for pushing) is rare, and a policy that has not learned it waits for ever.
    """
    if phase is Phase.APPROACH and abs(robot.positions[7] - action.finger) > _WRONG_HAND_M:
        return WRONG_HAND_WEIGHT
    return 1.0 if phase in DECISIVE else LESS_WEIGHT
