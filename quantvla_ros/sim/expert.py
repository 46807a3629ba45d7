# SPDX-License-Identifier: Apache-2.0
"""Scripted expert of `pick_place` at 10 Hz: a function of the state, apart from two counters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from quantvla_ros.sim.kinematics import Array
from quantvla_ros.sim.robot import FINGER_OPEN_M, SimulatedRobot
from quantvla_ros.sim.tasks.pick_place import BASKET, OPEN_GRIPPER_M, grasp_object, over_basket
from quantvla_ros.sim.tasks.task import Task

TICK_S = 0.1
FINGER_STEP_M = 0.02
"""Finger travel a tick in the executed command: the hand's 0.2 m/s."""

_MAX_STEP_M = 0.045
_MIN_STEP_M = 0.004
_SLOWDOWN = 0.35
_TRANSIT_HEIGHT, _TRANSIT_HEIGHT_STANDING = 0.23, 0.31
_HOVER_M, _FUNNEL_WIDTH_M, _FUNNEL_FLOOR_M = 0.12, 0.03, 0.006
_ALIGNED_M = 0.010
_CLOSING_TICKS = 5
_CLEAR_BELOW_TRANSIT_M = 0.09
_OVER_BASKET_M = 0.02
_LOST_OPENING_M = 0.02
_LOST_DISTANCE_M = 0.09
_HELD_DISTANCE_M = 0.07
_HELD_OPENING_M = 0.066
_STALLED_FINGER_M_S = 0.02
_RELEASE_TICKS = 6
_LIFTOFF_M = 0.006


class Phase(IntEnum):
    """What the expert is doing."""

    APPROACH = 0
    CLOSE = 1
    LIFT = 2
    CARRY = 3
    RELEASE = 4


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


class Expert:
    """Approach, close, lift, carry, release; every transition is a condition on the state."""

    def __init__(self, robot: SimulatedRobot, task: Task) -> None:
        """Start with the approach."""
        self._robot = robot
        self._task = task
        self.phase = Phase.APPROACH
        self._ticks = 0

    @classmethod
    def resume(cls, robot: SimulatedRobot, task: Task) -> Expert:
        """Return an expert that continues from any state of the robot."""
        expert = cls(robot, task)
        if over_basket(robot, task.target) and robot.opening > OPEN_GRIPPER_M:
            expert.phase = Phase.RELEASE
            return expert
        distance = np.linalg.norm(robot.object_position(task.target) - robot.tool_position)
        if distance < _HELD_DISTANCE_M and _LOST_OPENING_M <= robot.opening < _HELD_OPENING_M:
            stalled = abs(robot.velocities[7]) < _STALLED_FINGER_M_S
            expert.phase = Phase.LIFT if stalled else Phase.CLOSE
            # Fingers on the move have been for a tick or two.
            expert._ticks = 0 if stalled else _CLOSING_TICKS // 2
        return expert

    @property
    def done(self) -> bool:
        """Whether the object has been released and the hand has had time to open."""
        return self.phase == Phase.RELEASE and self._ticks >= _RELEASE_TICKS

    @property
    def _transit_height(self) -> float:
        standing = grasp_object(self._task.target).standing
        return _TRANSIT_HEIGHT_STANDING if standing else _TRANSIT_HEIGHT

    def act(self) -> Action:
        """Return the next action; the phase advances when its condition holds."""
        while (following := self._following_phase()) is not self.phase:
            self.phase, self._ticks = following, 0
        self._ticks += 1
        here = self._robot.tool_position
        step = {
            Phase.APPROACH: self._approach,
            Phase.CLOSE: self._close,
            Phase.LIFT: self._transport,
            Phase.CARRY: self._transport,
            Phase.RELEASE: self._transport,
        }[self.phase](here)
        arm = self._robot.kinematics.inverse(here + step, self._robot.positions[:7])
        closed = self.phase in (Phase.CLOSE, Phase.LIFT, Phase.CARRY)
        return Action(arm, 0.0 if closed else FINGER_OPEN_M)

    def _following_phase(self) -> Phase:
        here = self._robot.tool_position
        there = self._robot.object_position(self._task.target)
        if self.phase is Phase.APPROACH:
            height_error = abs(here[2] - grasp_object(self._task.target).grasp_height)
            aligned = max(np.linalg.norm(there[:2] - here[:2]), height_error) < _ALIGNED_M
            return Phase.CLOSE if aligned else Phase.APPROACH
        if self.phase is Phase.CLOSE:
            return Phase.LIFT if self._ticks >= _CLOSING_TICKS else Phase.CLOSE
        if self.phase in (Phase.LIFT, Phase.CARRY):
            slipped = np.linalg.norm(there - here) > _LOST_DISTANCE_M
            if slipped or self._robot.opening < _LOST_OPENING_M:
                return Phase.APPROACH
            basket = self._robot.object_position(BASKET)
            if np.linalg.norm(basket[:2] - here[:2]) < _OVER_BASKET_M:
                return Phase.RELEASE
            return Phase.CARRY if self._is_clear(here) else Phase.LIFT
        return Phase.RELEASE

    def _is_clear(self, here: Array) -> bool:
        return bool(here[2] > self._transit_height - _CLEAR_BELOW_TRANSIT_M)

    def _approach(self, here: Array) -> Array:
        """Down a funnel: high above the floor until nearly over the object."""
        there = self._robot.object_position(self._task.target)
        height = grasp_object(self._task.target).grasp_height
        error = float(np.linalg.norm(there[:2] - here[:2]))
        outside = max(0.0, error - _FUNNEL_FLOOR_M)
        hover = _HOVER_M * (1.0 - float(np.exp(-outside / _FUNNEL_WIDTH_M)))
        goal = np.array([there[0], there[1], height + hover])
        remaining = float(np.linalg.norm([error, here[2] - height]))
        return _limited(goal - here, _speed(remaining))

    def _close(self, here: Array) -> Array:
        height = grasp_object(self._task.target).grasp_height
        return _limited(np.array([0.0, 0.0, height - here[2]]), _MAX_STEP_M)

    def _transport(self, here: Array) -> Array:
        """Up, then over to the basket; the two are blended by height so that no corner is left."""
        basket = self._robot.object_position(BASKET)
        to_basket = basket[:2] - here[:2]
        rise = self._transit_height - here[2]
        above_grasp = max(0.0, here[2] - grasp_object(self._task.target).grasp_height)
        up = np.clip(
            rise, -_speed(abs(rise)), min(_speed(abs(rise)), _speed(above_grasp) + _LIFTOFF_M)
        )
        over = np.clip(1.0 - (rise - _CLEAR_BELOW_TRANSIT_M / 3) / _CLEAR_BELOW_TRANSIT_M, 0.0, 1.0)
        across = over * _limited(to_basket, _speed(float(np.linalg.norm(to_basket))))
        return _limited(np.append(across, up), _MAX_STEP_M)


def _speed(distance: float) -> float:
    """Tool travel in one tick, m, by the distance that is left: proportional near the goal."""
    return min(_MAX_STEP_M, _MIN_STEP_M + _SLOWDOWN * distance)


def _limited(step: Array, longest: float) -> Array:
    limited: Array = step * min(1.0, longest / max(float(np.linalg.norm(step)), 1e-9))
    return limited


def executed(robot: SimulatedRobot, action: Action) -> Callable[[float], Array]:
    """Return the setpoint for one tick: a straight line from the present command to the action.

    The finger's goal is approached by at most `FINGER_STEP_M`.
    """
    start, begin = robot.commanded, robot.time
    finger = start[7] + np.clip(action.finger - start[7], -FINGER_STEP_M, FINGER_STEP_M)
    travel = np.append(action.arm, finger) - start

    def setpoint(time: float) -> Array:
        line: Array = start + travel * min(1.0, (time - begin) / TICK_S)
        return line

    return setpoint


def execute(robot: SimulatedRobot, action: Action) -> None:
    """Carry out one tick."""
    robot.advance(TICK_S, executed(robot, action))
