# SPDX-License-Identifier: Apache-2.0
"""When a gripper's controller calls a goal done, as those of ros2_controllers do.

Every option is at its default: `goal_tolerance`, `stall_velocity_threshold`, `stall_timeout`, and
`allow_stalling` off, so that a gripper that is stopped by an object aborts its goal as stalled.
"""

from __future__ import annotations

from enum import Enum

GOAL_TOLERANCE = 0.01  # m or rad
STALL_VELOCITY = 0.001  # m/s or rad/s
STALL_TIMEOUT_S = 1.0


class GoalEnd(Enum):
    """How a goal ended."""

    REACHED = "reached"
    STALLED = "stalled"


class GripperGoal:
    """One goal under way; asked once a control period."""

    def __init__(self, position: float, now: float) -> None:
        """Begin to go to a position (m or rad) at a time (s)."""
        self.position = position
        self._moved_at = now

    def check(self, position: float, velocity: float, now: float) -> GoalEnd | None:
        """Judge the measured position and velocity at ``now`` (s); None while it goes on."""
        if abs(self.position - position) < GOAL_TOLERANCE:
            return GoalEnd.REACHED
        if abs(velocity) > STALL_VELOCITY:
            self._moved_at = now
        return GoalEnd.STALLED if now - self._moved_at > STALL_TIMEOUT_S else None
