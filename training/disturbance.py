# SPDX-License-Identifier: Apache-2.0
"""Disturbances of a demonstration: its clean labels show how to recover from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from simulation.expert import FINGER_OPEN_M, Action, Expert, Phase
from simulation.robot import SimulatedRobot

RANDOM_START_SHARE = 0.4
CLOSED_START_SHARE = 0.2
SWITCH_SHARE = 0.35
WRONG_HAND_SHARE = 0.3
MEAN_BURSTS = 1.6
COMMAND_NOISE_RAD = 0.003

_START_LOW, _START_HIGH = np.array([-0.2, -0.25, 0.16]), np.array([0.12, 0.2, 0.32])
_LAST_BURST_TICK = 40
_LAST_WRONG_HAND_TICK = 20
_BURST_LENGTH_M = (0.012, 0.05)
_BURST_SHAPE = np.array([1.0, 1.0, 0.6])
_CLOSING_S = 0.4


def start(robot: SimulatedRobot, seed: int, rng: np.random.Generator) -> None:
    """Reset the robot, perhaps with the tool somewhere else or with an empty closed hand."""
    elsewhere, closed = rng.random(2) < (RANDOM_START_SHARE, CLOSED_START_SHARE)
    place = rng.uniform(_START_LOW, _START_HIGH)
    robot.reset(seed, tool_position=place if elsewhere or closed else None)
    if closed:
        robot.command(np.append(robot.commanded[:7], 0.0))
        robot.advance(_CLOSING_S)


@dataclass
class Disturbance:
    """The plan for one episode, drawn beforehand from its seed."""

    rng: np.random.Generator
    switch_tick: int = field(init=False)
    hand_tick: int = field(init=False)
    burst_ticks: list[int] = field(init=False)
    offset: npt.NDArray[np.float64] = field(init=False)
    burst_left: int = 0
    hand_left: int = 0

    def __post_init__(self) -> None:
        """Draw the plan."""
        rng = self.rng
        self.switch_tick = int(rng.integers(2, 14)) if rng.random() < SWITCH_SHARE else -1
        wrong_hand = rng.random() < WRONG_HAND_SHARE
        self.hand_tick = int(rng.integers(0, _LAST_WRONG_HAND_TICK)) if wrong_hand else -1
        self.burst_ticks = sorted(rng.integers(0, _LAST_BURST_TICK, rng.poisson(MEAN_BURSTS)))
        self.offset = np.zeros(3)

    @property
    def active(self) -> bool:
        """Whether the next executed command differs from the labelled one."""
        return self.burst_left > 0 or self.hand_left > 0

    def begin_tick(self, tick: int, robot: SimulatedRobot, expert: Expert) -> bool:
        """Start what is due at this tick; returns whether something did."""
        event = False
        approaching = expert.phase is Phase.APPROACH
        if tick == self.switch_tick and approaching:
            others = [goal for goal in robot.task.goals if goal != robot.task.goal]
            robot.task.goal = others[int(self.rng.integers(len(others)))]
            event = True
        if self.burst_ticks and tick >= self.burst_ticks[0]:
            self.burst_ticks.pop(0)
            if expert.phase in (Phase.APPROACH, Phase.LIFT, Phase.CARRY):
                self.burst_left = int(self.rng.integers(2, 5))
                direction = self.rng.normal(size=3) * _BURST_SHAPE
                length = self.rng.uniform(*_BURST_LENGTH_M)
                self.offset = direction * length / np.linalg.norm(direction)
                event = True
        if tick == self.hand_tick and approaching:
            self.hand_left = int(self.rng.integers(2, 6))
            event = True
        return event

    def apply(self, action: Action, robot: SimulatedRobot, floor: float) -> Action:
        """Return the command that is executed in place of the clean one."""
        finger = action.finger
        if self.hand_left > 0:
            self.hand_left -= 1
            finger = FINGER_OPEN_M - finger
        if self.burst_left > 0:
            self.burst_left -= 1
            goal = robot.kinematics.forward(action.arm)[0] + self.offset
            goal[2] = max(goal[2], floor)
            return Action(robot.kinematics.inverse(goal, robot.positions[:7]), finger)
        return Action(action.arm + self.rng.normal(0.0, COMMAND_NOISE_RAD, 7), finger)
