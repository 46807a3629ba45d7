# SPDX-License-Identifier: Apache-2.0
"""Run a policy on the simulated robot in step with it, without ROS.

Actions are executed like the expert's (`quantvla_ros.sim.expert.execute`). A delay of whole steps
between an observation and its chunk stands for the inference latency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.policy import Policy
from quantvla_ros.bundle.chunk import draw_noise
from quantvla_ros.bundle.observation import Observation
from quantvla_ros.sim.expert import Action, execute
from quantvla_ros.sim.robot import FINGER_OPEN_M, SimulatedRobot

MAX_TICKS = 110


def observe(robot: SimulatedRobot, instruction: str) -> Observation:
    """What the policy sees of the robot now."""
    return Observation(
        images=robot.render(),
        joints=robot.positions.astype(np.float32),
        instruction=instruction,
        stamp=robot.time,
    )


class ChunkPlayer:
    """Asks the policy for chunks and plays them, `rows` of each."""

    def __init__(self, policy: Policy, rows: int, delay: int, seed: int) -> None:
        self._policy, self._rows, self._delay, self._seed = policy, rows, delay, seed
        self._chunk: NDArray[np.float64] | None = None
        self._next: NDArray[np.float64] | None = None
        self._row = 0
        self._calls = 0

    def forget(self) -> None:
        """Drop the chunk, as the node does when the instruction changes."""
        self._chunk = self._next = None

    def action(self, robot: SimulatedRobot, instruction: str) -> Action:
        """Targets of the coming step, the finger within its range."""
        if self._chunk is None:
            self._chunk, self._row = self._infer(robot, instruction), 0
        elif self._next is not None and self._row >= self._rows + self._delay:
            self._chunk, self._row, self._next = self._next, self._delay, None
        if self._next is None and self._row >= self._rows:
            following = self._infer(robot, instruction)
            if self._delay == 0:
                self._chunk, self._row = following, 0
            else:
                self._next = following
        target = self._chunk[min(self._row, len(self._chunk) - 1)]
        self._row += 1
        return Action(target[:7], float(np.clip(target[7], 0.0, FINGER_OPEN_M)))

    def _infer(self, robot: SimulatedRobot, instruction: str) -> NDArray[np.float64]:
        noise = draw_noise(self._policy.manifest, self._seed, self._calls)
        self._calls += 1
        return self._policy.infer(observe(robot, instruction), noise).actions


@dataclass(frozen=True)
class Episode:
    """How an episode ended."""

    seed: int
    target: str
    success: bool
    first_lifted: str | None
    ticks: int


def run_episode(
    robot: SimulatedRobot,
    policy: Policy,
    seed: int,
    target: str | None = None,
    *,
    rows: int = 8,
    delay: int = 1,
    max_ticks: int = MAX_TICKS,
    before_tick: Callable[[int, ChunkPlayer], None] | None = None,
) -> Episode:
    """Play one episode to success or to `max_ticks`.

    Args:
        robot: reset here to `seed`.
        policy: asked for chunks.
        seed: scene and noise.
        target: object that the instruction names; drawn from the seed when None.
        rows: rows of a chunk that are played before the next one takes over.
        delay: steps between an observation and the first row played of its chunk.
        max_ticks: steps of 0.1 s after which the episode has failed.
        before_tick: called with the step's number before each step.
    """
    robot.reset(seed, target)
    player = ChunkPlayer(policy, rows, delay, seed)
    ticks = 0
    while ticks < max_ticks and not robot.success():
        if before_tick is not None:
            before_tick(ticks, player)
        execute(robot, player.action(robot, robot.task.instruction))
        ticks += 1
    return Episode(seed, robot.task.target, robot.success(), robot.first_lifted, ticks)
