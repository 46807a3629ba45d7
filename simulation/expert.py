# SPDX-License-Identifier: Apache-2.0
"""What every scripted expert does at 10 Hz: how far to go in a tick, and how to carry it out."""

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


MAX_STEP_M = 0.045

_MIN_STEP_M = 0.004
_SLOWDOWN = 0.35
_HOVER_M, _FUNNEL_WIDTH_M, _FUNNEL_FLOOR_M = 0.12, 0.03, 0.006


def speed(distance: float) -> float:
    """Tool travel in one tick, m, by the distance that is left: proportional near the goal."""
    return min(MAX_STEP_M, _MIN_STEP_M + _SLOWDOWN * distance)


def limited(step: Array, longest: float) -> Array:
    """Return `step` (any length, m), shortened to at most `longest`."""
    shortened: Array = step * min(1.0, longest / max(float(np.linalg.norm(step)), 1e-9))
    return shortened


def turned_towards(yaw: float, wanted: float, most: float) -> float:
    """Turn of the tool, rad, that is nearest to `wanted` and at most `most` away from `yaw`."""
    return float(yaw + np.clip(wanted - yaw, -most, most))


def funnel(error: float, hover: float = _HOVER_M) -> float:
    """Height to keep above the goal, m, while it is `error` m away in the plane.

    Far away it is `hover`; it falls to zero when the tool is nearly over the goal.
    """
    outside = max(0.0, error - _FUNNEL_FLOOR_M)
    return hover * (1.0 - float(np.exp(-outside / _FUNNEL_WIDTH_M)))


def descend(here: Array, goal: Array) -> Array:
    """Return the step [3] from `here` down the funnel to `goal` (both [3], m)."""
    error = float(np.linalg.norm(goal[:2] - here[:2]))
    raised = goal + np.array([0.0, 0.0, funnel(error)])
    remaining = float(np.linalg.norm([error, here[2] - goal[2]]))
    return limited(raised - here, speed(remaining))


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

    def resume(self) -> None:
        """Find the phase that fits the robot's state."""
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
