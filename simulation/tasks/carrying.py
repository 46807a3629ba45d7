# SPDX-License-Identifier: Apache-2.0
"""An expert that grips the goal's object, lifts it, carries it over its destination and drops it.

Families that set an object down gently use `placing`, which builds on this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulation.expert import (
    FINGER_OPEN_M,
    MAX_STEP_M,
    Action,
    Phase,
    descend,
    limited,
    speed,
    turned_towards,
)
from simulation.kinematics import Array
from simulation.tasks.objects import OPEN_GRIPPER_M, GraspObject, grasp_object

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot
    from simulation.tasks.task import Task

_TRANSIT_HEIGHT, _TRANSIT_HEIGHT_STANDING = 0.23, 0.31
_FLOOR_M, _FLOOR_STANDING_M = 0.012, 0.11
_ALIGNED_M, _ALIGNED_HEIGHT_M = 0.010, 0.006
_CLOSING_TICKS = 5
_CLEAR_BELOW_TRANSIT_M = 0.09
_OVER_GOAL_M = 0.02
_LOST_OPENING_M = 0.02
_LOST_DISTANCE_M = 0.09
_HELD_DISTANCE_M = 0.07
_HELD_OPENING_M = 0.066
_WIDE_OPENING_M = 0.07
"""From here on the open hand passes over every object without touching it."""

_FALLEN = 0.7  # cosine of the tilt
_UPRIGHT_AXIS = np.array([0.0, 1.0, 0.0])  # of standing objects, in their own frame
_TURN_RAD, _TURNED_RAD, _ACROSS_RAD = 0.15, 0.2, np.pi / 2
_FINGERTIP_M = 0.01  # how far the fingers reach below the grip site
_OVER_TOP_M = 0.01
_STALLED_FINGER_M_S = 0.02
_RELEASE_TICKS = 6
_LIFTOFF_M = 0.006
_AROUND_M = 0.035


class CarryExpert:
    """Approach, close, lift, carry, release; every transition is a condition on the state."""

    def __init__(self, robot: SimulatedRobot, task: Task) -> None:
        """Start with the approach."""
        self._robot = robot
        self._task = task
        self.phase = Phase.APPROACH
        self._ticks = 0

    def resume(self) -> None:
        """Find the phase that fits the robot's state."""
        if self._grips():
            stalled = self._robot.velocities[7] > -_STALLED_FINGER_M_S
            self.phase = Phase.LIFT if stalled else Phase.CLOSE
            # Fingers on the move have been for a tick or two.
            self._ticks = 0 if stalled else _CLOSING_TICKS // 2

    def _grips(self) -> bool:
        """Whether the fingers are around the object and do not open."""
        robot = self._robot
        near = np.linalg.norm(self._object_position - robot.tool_position) < _HELD_DISTANCE_M
        between = _LOST_OPENING_M <= robot.opening < _HELD_OPENING_M
        return bool(near and between and robot.velocities[7] < _STALLED_FINGER_M_S)

    @property
    def floor(self) -> float:
        """Lowest tool height, m, at which a disturbed hand hits nothing in this phase."""
        high = self._item.standing and self.phase is Phase.APPROACH
        return _FLOOR_STANDING_M if high else _FLOOR_M

    @property
    def done(self) -> bool:
        """Whether the object has been released and the hand has had time to open."""
        return self.phase is Phase.RELEASE and self._ticks >= _RELEASE_TICKS

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
            Phase.RELEASE: self._retreat,
        }[self.phase](here)
        arm = self._robot.kinematics.inverse(
            here + step, self._robot.positions[:7], yaw=self._next_yaw()
        )
        closed = self.phase in (Phase.CLOSE, Phase.LIFT, Phase.CARRY)
        return Action(arm, 0.0 if closed else FINGER_OPEN_M)

    @property
    def _item(self) -> GraspObject:
        return grasp_object(self._task.goal.object)

    @property
    def _object_position(self) -> Array:
        return self._robot.object_position(self._task.goal.object)

    @property
    def _long_axis(self) -> Array:
        """Unit vector [3] from the bottom of a standing object to its top, in the world."""
        name = self._task.goal.object
        axis: Array = self._robot.object_rotation(name) @ _UPRIGHT_AXIS
        return axis

    @property
    def _has_fallen(self) -> bool:
        return self._item.standing and bool(self._long_axis[2] < _FALLEN)

    @property
    def _grasp_height(self) -> float:
        if self._has_fallen:
            return float(self._object_position[2])
        return self._item.grasp_height

    @property
    def _grasp_yaw(self) -> float:
        """Turn of the tool, rad, at which the fingers are at two sides of the object."""
        along = self._long_axis
        # Both ends are alike: the turn is at most a quarter, to the left or to the right.
        return float(np.arctan(along[1] / along[0])) if self._has_fallen else 0.0

    @property
    def _wanted_yaw(self) -> float:
        if self._has_fallen and self.phase in (Phase.LIFT, Phase.CARRY, Phase.RELEASE):
            # It is longer than the basket is wide. The turn goes the shorter way.
            return float(np.copysign(_ACROSS_RAD, self._robot.tool_yaw))
        return self._grasp_yaw

    def _next_yaw(self) -> float:
        return turned_towards(self._robot.tool_yaw, self._wanted_yaw, _TURN_RAD)

    @property
    def _transit_height(self) -> float:
        return _TRANSIT_HEIGHT_STANDING if self._item.standing else _TRANSIT_HEIGHT

    def _following_phase(self) -> Phase:
        here = self._robot.tool_position
        there = self._object_position
        if self.phase is Phase.APPROACH:
            aligned = (
                np.linalg.norm(there[:2] - here[:2]) < _ALIGNED_M
                and abs(here[2] - self._grasp_height) < _ALIGNED_HEIGHT_M
                and abs(self._wanted_yaw - self._robot.tool_yaw) < _TURNED_RAD
                and self._robot.opening > _WIDE_OPENING_M
            )
            return Phase.CLOSE if aligned else Phase.APPROACH
        if self.phase is Phase.CLOSE:
            return Phase.LIFT if self._ticks >= _CLOSING_TICKS else Phase.CLOSE
        if self.phase in (Phase.LIFT, Phase.CARRY):
            slipped = np.linalg.norm(there - here) > _LOST_DISTANCE_M
            if slipped or self._robot.opening < _LOST_OPENING_M:
                return Phase.APPROACH
            if self._arrived(here):
                return Phase.RELEASE
            return Phase.CARRY if self._is_clear(here) else Phase.LIFT
        return Phase.RELEASE

    def _is_clear(self, here: Array) -> bool:
        return bool(here[2] > self._transit_height - _CLEAR_BELOW_TRANSIT_M)

    def _arrived(self, here: Array) -> bool:
        """Whether to let go now."""
        near = np.linalg.norm(self._to_goal(here)) < _OVER_GOAL_M
        turned = abs(self._wanted_yaw - self._robot.tool_yaw) < _TURNED_RAD
        return bool(near and turned)

    def _to_goal(self, here: Array) -> Array:
        """From the hand to its goal [2], m: what has fallen over is seldom held in its middle."""
        held = self._object_position if self._has_fallen else here
        offset: Array = self._task.goal_position(self._robot)[:2] - held[:2]
        return offset

    def _approach(self, here: Array) -> Array:
        """Down a funnel: high above the floor until nearly over the object.

        A hand that is not open goes straight up first, over the object, and waits there: lower
        down it would press on the object, or push it away.
        """
        if self._holds_another(here):
            clear = self._robot.opening > OPEN_GRIPPER_M
            return np.array([0.0, 0.0, MAX_STEP_M if clear else 0.0])
        there, height = self._object_position, self._grasp_height
        if self._robot.opening < _WIDE_OPENING_M:
            height = there[2] + self._item.above + _FINGERTIP_M + _OVER_TOP_M
            if here[2] < height:
                return np.array([0.0, 0.0, min(MAX_STEP_M, height + _OVER_TOP_M - here[2])])
        return descend(here, np.array([there[0], there[1], height]))

    def _holds_another(self, here: Array) -> bool:
        """Whether the fingers are around something else: a sideways move would topple it."""
        for name in self._task.present:
            offset = self._robot.object_position(name) - here
            around = np.linalg.norm(offset[:2]) < _AROUND_M
            if name != self._item.name and around and offset[2] > -grasp_object(name).above:
                return True
        return False

    def _close(self, here: Array) -> Array:
        return limited(np.array([0.0, 0.0, self._grasp_height - here[2]]), MAX_STEP_M)

    def _transport(self, here: Array) -> Array:
        """Up, then over to the goal; the two are blended by height so that no corner is left."""
        to_goal = self._to_goal(here)
        rise = self._transit_height - here[2]
        above_grasp = max(0.0, here[2] - self._grasp_height)
        up = np.clip(
            rise, -speed(abs(rise)), min(speed(abs(rise)), speed(above_grasp) + _LIFTOFF_M)
        )
        over = np.clip(1.0 - (rise - _CLEAR_BELOW_TRANSIT_M / 3) / _CLEAR_BELOW_TRANSIT_M, 0.0, 1.0)
        across = over * limited(to_goal, speed(float(np.linalg.norm(to_goal))))
        return limited(np.append(across, up), MAX_STEP_M)

    def _retreat(self, here: Array) -> Array:
        """The hand opens while it stays where it let go."""
        return self._transport(here)
