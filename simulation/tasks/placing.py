# SPDX-License-Identifier: Apache-2.0
"""Tasks in which a thing is set down gently at a place, and the expert for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulation.expert import MAX_STEP_M, Phase, funnel, limited, speed
from simulation.kinematics import Array
from simulation.tasks.carrying import CarryExpert
from simulation.tasks.objects import OPEN_GRIPPER_M, grasp_object
from simulation.tasks.task import Task, World

if TYPE_CHECKING:
    from simulation.robot import SimulatedRobot

OFF_HEIGHT_M = 0.007
"""How far above or below its place a thing may rest."""
AT_GOAL_M = 0.009
"""How near in the plane is near enough to let go."""

_RESTING_M = 0.006
_MISSED_M = 0.02
_CLEARANCE_M = 0.03
_LIFT_FIRST_M, _LIFT_BLEND_M = 0.02, 0.04
_OFF_FLOOR_M, _NEAR_M = 0.015, 0.02
_RETREAT_M = 0.10


class PlaceExpert(CarryExpert):
    """Carries low over everything else, goes down a funnel, opens, and moves up."""

    def resume(self) -> None:
        """Find the phase that fits the robot's state."""
        super().resume()
        if self._at_goal() and self.phase is not Phase.CLOSE:
            self.phase, self._ticks = Phase.RELEASE, 0

    @property
    def _grasp_height(self) -> float:
        """The object may lie on top of another one."""
        raised = self._object_position[2] - self._item.below
        return super()._grasp_height + max(0.0, float(raised))

    @property
    def _transit_height(self) -> float:
        """Height of the tool, m, at which the object passes over everything else."""
        others = [grasp_object(n) for n in self._task.present if n != self._item.name]
        tallest = max((item.below + item.above for item in others), default=0.0)
        return tallest + _CLEARANCE_M + self._item.grasp_height

    def _off_goal(self) -> Array:
        """From its place to the object [3], m."""
        offset: Array = self._object_position - self._task.goal_position(self._robot)
        return offset

    def _at_goal(self) -> bool:
        offset = self._off_goal()
        return bool(np.linalg.norm(offset[:2]) < AT_GOAL_M and abs(offset[2]) < _RESTING_M)

    def _following_phase(self) -> Phase:
        """What was pushed away while it was let go is set down once more."""
        if self.phase is Phase.RELEASE and np.linalg.norm(self._off_goal()) > _MISSED_M:
            return Phase.LIFT if self._grips() else Phase.APPROACH
        return super()._following_phase()

    def _arrived(self, here: Array) -> bool:
        return self._at_goal()

    def _transport(self, here: Array) -> Array:
        """Up, over and down; the object's place in the hand is measured, not assumed.

        Far from its place it goes sideways only as it comes off the floor: dragged along, a tall
        thing topples.
        """
        goal = self._task.goal_position(self._robot) + here - self._object_position
        across = goal[:2] - here[:2]
        error = float(np.linalg.norm(across))
        height = goal[2] + funnel(error, max(0.0, self._transit_height - goal[2]))
        rise = height - here[2]
        share = np.clip(1.0 - (rise - _LIFT_FIRST_M) / _LIFT_BLEND_M, 0.0, 1.0)
        if error > _NEAR_M:
            bottom = self._object_position[2] - self._item.below
            share = min(share, np.clip(bottom / _OFF_FLOOR_M, 0.0, 1.0))
        up = np.clip(rise, -speed(abs(rise)), speed(abs(rise)))
        return limited(np.append(share * limited(across, speed(error)), up), MAX_STEP_M)

    def _retreat(self, here: Array) -> Array:
        """Stay until the fingers are off the object, then straight up."""
        if self._robot.opening < OPEN_GRIPPER_M:
            return np.zeros(3)
        top = self._task.goal_position(self._robot)[2] + self._item.above + _RETREAT_M
        return np.array([0.0, 0.0, np.clip(top - here[2], 0.0, MAX_STEP_M)])


class PlacingTask(Task):
    """A task that is done when the object rests at `goal_position`.

    Attributes:
        off_place_m: how far from it in the plane (m).
    """

    off_place_m: float

    def success(self, world: World) -> bool:
        """The object rests at its place, the gripper has let go, nothing else has moved much."""
        offset = world.object_position(self.goal.object) - self.goal_position(world)
        return (
            bool(np.linalg.norm(offset[:2]) < self.off_place_m)
            and abs(offset[2]) < OFF_HEIGHT_M
            and world.opening > OPEN_GRIPPER_M
            and self.undisturbed(world)
        )

    def expert(self, robot: SimulatedRobot) -> PlaceExpert:
        """Return an expert that sets the object down at its place."""
        return PlaceExpert(robot, self)
