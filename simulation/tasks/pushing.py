# SPDX-License-Identifier: Apache-2.0
"""An expert that sets closed fingers down behind the goal's object and pushes it to its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulation.expert import MAX_STEP_M, Action, Phase, descend, speed, turned_towards
from simulation.kinematics import Array
from simulation.tasks.objects import grasp_object

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot
    from simulation.tasks.task import Task

HAND_OFF_M = 0.06
"""Above this height of the tool the hand touches nothing that lies."""

_PUSH_HEIGHT_M = 0.014
_PRESSING_M, _EASE_M = 0.0105, 0.01
"""Below this height of the tool the fingertips press on the floor, whose friction holds them."""

_FINGERS_M = 0.011
_GAP_M = 0.012
_BEHIND_M, _LOW_M = 0.012, 0.020
_OFF_LINE_M, _LOST_M = 0.03, 0.04
_STEP_M = 0.024
_STEER = 0.3
_MAX_YAW_RAD, _TURN_RAD = 1.2, 0.12
_AT_GOAL_M = 0.012
_OFF_M, _DONE_HEIGHT_M = 0.006, 0.10
_FLOOR_M = 0.012


class PushExpert:
    """Approach from above, push, and move up; steers by where the object goes."""

    def __init__(self, robot: SimulatedRobot, task: Task) -> None:
        """Start with the approach."""
        self._robot = robot
        self._task = task
        self.phase = Phase.APPROACH

    def resume(self) -> None:
        """Find the phase that fits the robot's state."""
        if self._distance() < _AT_GOAL_M:
            self.phase = Phase.RELEASE
        elif self._is_behind(_FINGERS_M + _GAP_M):
            self.phase = Phase.PUSH

    @property
    def floor(self) -> float:
        """Lowest tool height, m, at which a disturbed hand hits nothing in this phase."""
        return _FLOOR_M

    @property
    def done(self) -> bool:
        """Whether the object is at its place and the hand is above it."""
        return self.phase is Phase.RELEASE and self._robot.tool_position[2] > _DONE_HEIGHT_M

    def act(self) -> Action:
        """Return the next action; the phase advances when its condition holds."""
        self.phase = self._following_phase()
        here = self._robot.tool_position
        step = {
            Phase.APPROACH: self._approach,
            Phase.PUSH: self._push,
            Phase.RELEASE: self._retreat,
        }[self.phase](here)
        arm = self._robot.kinematics.inverse(
            here + step, self._robot.positions[:7], yaw=self._next_yaw()
        )
        return Action(arm, 0.0)

    def _next_yaw(self) -> float:
        """Turn the flat of the fingers into the direction of the push: it keeps the box on line."""
        yaw = self._robot.tool_yaw
        if self.phase is Phase.RELEASE:
            return yaw
        heading = self._heading()
        wanted = np.clip(np.arctan2(heading[1], heading[0]), -_MAX_YAW_RAD, _MAX_YAW_RAD)
        return turned_towards(yaw, wanted, _TURN_RAD)

    def _following_phase(self) -> Phase:
        if self.phase is Phase.RELEASE or self._distance() < _AT_GOAL_M:
            return Phase.RELEASE
        if self.phase is Phase.PUSH:
            return Phase.PUSH if self._is_behind(_FINGERS_M + _LOST_M) else Phase.APPROACH
        here = self._robot.tool_position
        aligned = np.linalg.norm(self._behind()[:2] - here[:2]) < _BEHIND_M and here[2] < _LOW_M
        return Phase.PUSH if aligned else Phase.APPROACH

    def _to_goal(self) -> Array:
        task = self._task
        offset = task.goal_position(self._robot) - self._robot.object_position(task.goal.object)
        return offset[:2]

    def _distance(self) -> float:
        return float(np.linalg.norm(self._to_goal()))

    def _heading(self) -> Array:
        """Unit vector [2] from the object to its place."""
        heading: Array = self._to_goal() / max(self._distance(), 1e-6)
        return heading

    def _reach(self, direction: Array) -> float:
        """How far the object reaches from its middle along a unit vector [2], m."""
        name = self._task.goal.object
        local = self._robot.object_rotation(name)[:2, :2].T @ direction
        widths = np.array(grasp_object(name).half_widths)
        return float(np.min(widths / np.maximum(np.abs(local), 1e-6)))

    def _behind(self) -> Array:
        """Where the closed fingers start to push [3]."""
        there = self._robot.object_position(self._task.goal.object)[:2]
        place = there - self._heading() * (self._reach(self._heading()) + _FINGERS_M + _GAP_M)
        return np.append(place, _PUSH_HEIGHT_M)

    def _is_behind(self, furthest: float) -> bool:
        """Whether the tool is low behind the object, at most `furthest` m from its side."""
        here = self._robot.tool_position
        along, across = self._offset(here)
        return (
            bool(here[2] < _LOW_M)
            and 0.0 < along < self._reach(self._heading()) + furthest
            and abs(across) < _OFF_LINE_M
        )

    def _offset(self, here: Array) -> tuple[float, float]:
        """From the tool to the object, m: along the heading and to the left of it."""
        offset = self._robot.object_position(self._task.goal.object)[:2] - here[:2]
        heading = self._heading()
        along, across = offset @ heading, offset @ np.array([-heading[1], heading[0]])
        return float(along), float(across)

    def _approach(self, here: Array) -> Array:
        return descend(here, self._behind())

    def _push(self, here: Array) -> Array:
        if here[2] < _PRESSING_M:
            return np.array([0.0, 0.0, _EASE_M])
        _, across = self._offset(here)
        heading = self._heading()
        forward = min(_STEP_M, speed(self._distance()))
        aside = _STEER * across * np.array([-heading[1], heading[0]])
        return np.append(forward * heading + aside, _PUSH_HEIGHT_M - here[2])

    def _retreat(self, here: Array) -> Array:
        """Off the object first, then up."""
        away = here[:2] - self._robot.object_position(self._task.goal.object)[:2]
        distance = float(np.linalg.norm(away))
        away /= max(distance, 1e-6)
        if here[2] < HAND_OFF_M and distance < self._reach(away) + _FINGERS_M + _OFF_M:
            return np.append(_STEP_M * away, 0.0)
        return np.array([0.0, 0.0, MAX_STEP_M])
