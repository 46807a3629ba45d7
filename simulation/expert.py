# SPDX-License-Identifier: Apache-2.0
"""What every scripted expert does at 10 Hz, and how its actions are carried out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from simulation.kinematics import Array

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot

TICK_S = 0.1
LINE_STEP_S = 0.004
FINGER_OPEN_M = 0.04
FINGER_STEP_M = 0.02
"""Finger travel a tick in the executed command: the hand's 0.2 m/s."""


class Phase(IntEnum):
    """What an expert is doing; a family uses those that it needs."""

    APPROACH = 0
    CLOSE = 1
    LIFT = 2
    CARRY = 3
    RELEASE = 4
    PUSH = 5


@dataclass(frozen=True)
class Action:
    """Where the joints should be at the end of the tick."""

    arm: Array
    """Arm joints [7], rad."""

    finger: float
    """Finger goal, m: 0.0 (close) or 0.04 (open)."""

    def label(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """Return the training label, float32 [8]."""
        return np.append(self.arm, self.finger).astype(np.float32)


class Expert(Protocol):
    """A function of the robot's state, apart from small counters."""

    phase: Phase

    @property
    def floor(self) -> float:
        """Lowest tool height, m, at which a disturbed hand hits nothing in this phase."""
        ...

    @property
    def done(self) -> bool:
        """Whether the goal is reached and the hand is out of the way."""
        ...

    def act(self) -> Action:
        """Return the action for the next tick; the phase advances when its condition holds."""
        ...


def executed(robot: SimulatedRobot, action: Action) -> Callable[[float], Array]:
    """Return the setpoint for one tick: a straight line from the present command to the action.

    It goes in steps of `LINE_STEP_S`; during each it is where the line is at the step's end.
    The finger's goal is approached by at most `FINGER_STEP_M`.
    """
    start, begin = robot.commanded, robot.time
    finger = start[7] + np.clip(action.finger - start[7], -FINGER_STEP_M, FINGER_STEP_M)
    travel = np.append(action.arm, finger) - start

    def setpoint(time: float) -> Array:
        steps = math.floor((time - begin) / LINE_STEP_S + 1e-6) + 1
        line: Array = start + travel * min(1.0, steps * LINE_STEP_S / TICK_S)
        return line

    return setpoint


def execute(robot: SimulatedRobot, action: Action) -> None:
    """Carry out one tick."""
    robot.advance(TICK_S, executed(robot, action))
