# SPDX-License-Identifier: Apache-2.0
"""Run a policy on the simulated robot in step with it, without ROS.

Actions are executed as the robot's controller does: a linear ramp between the targets of a 0.1 s
step, the finger at most 0.2 m/s. A delay of whole steps between an observation and its chunk
stands for the inference latency.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.backends.policy import Policy, draw_noise
from quantvla_ros.bundle.observation import Observation
from quantvla_ros.sim.expert import FINGER_STEP_M, TICK_S
from quantvla_ros.sim.robot import SimulatedRobot

MAX_TICKS = 110


def observe(robot: SimulatedRobot, instruction: str) -> Observation:
    """What the policy sees of the robot now."""
    return Observation(
        images=robot.render(),
        joints=robot.positions.astype(np.float32),
        instruction=instruction,
        stamp=robot.time,
    )


def execute_tick(robot: SimulatedRobot, target: NDArray[np.float64]) -> None:
    """Ramp from the last command to `target` [8] during one step of 0.1 s."""
    start = robot.commanded
    goal = target.copy()
    goal[7] = start[7] + np.clip(goal[7] - start[7], -FINGER_STEP_M, FINGER_STEP_M)
    begin = robot.time

    def ramp(now: float) -> NDArray[np.float64]:
        share = min(1.0, (now - begin) / TICK_S)
        return start + share * (goal - start)

    robot.advance(TICK_S, ramp)


class ChunkPlayer:
    """Asks the policy for chunks and plays them, `execute` rows each."""

    def __init__(self, policy: Policy, execute: int, delay: int, seed: int) -> None:
        self._policy, self._execute, self._delay, self._seed = policy, execute, delay, seed
        self._chunk: NDArray[np.float64] | None = None
        self._next: NDArray[np.float64] | None = None
        self._row = 0
        self._calls = 0

    def forget(self) -> None:
        """Drop the chunk, as the node does when the instruction changes."""
        self._chunk = self._next = None

    def action(self, robot: SimulatedRobot, instruction: str) -> NDArray[np.float64]:
        """Target [8] of the coming step."""
        if self._chunk is None:
            self._chunk, self._row = self._infer(robot, instruction), 0
        elif self._next is not None and self._row >= self._execute + self._delay:
            self._chunk, self._row, self._next = self._next, self._delay, None
        if self._next is None and self._row >= self._execute:
            following = self._infer(robot, instruction)
            if self._delay == 0:
                self._chunk, self._row = following, 0
            else:
                self._next = following
        target = self._chunk[min(self._row, len(self._chunk) - 1)]
        self._row += 1
        return target

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
    execute: int = 8,
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
        execute: rows of a chunk that are played before the next one takes over.
        delay: steps between an observation and the first row played of its chunk.
        max_ticks: steps of 0.1 s after which the episode has failed.
        before_tick: called with the step's number before each step.
    """
    robot.reset(seed, target)
    player = ChunkPlayer(policy, execute, delay, seed)
    ticks = 0
    while ticks < max_ticks and not robot.success():
        if before_tick is not None:
            before_tick(ticks, player)
        execute_tick(robot, player.action(robot, robot.task.instruction))
        ticks += 1
    return Episode(seed, robot.task.target, robot.success(), robot.first_lifted, ticks)
