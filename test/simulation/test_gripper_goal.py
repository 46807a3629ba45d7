# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from simulation.gripper_goal import STALL_TIMEOUT_S, GoalEnd, GripperGoal


def test_a_goal_is_reached_within_its_tolerance():
    goal = GripperGoal(0.0, 5.0)
    assert goal.check(0.03, -0.05, 5.1) is None
    assert goal.check(0.009, -0.05, 5.5) is GoalEnd.REACHED


def test_fingers_that_stand_still_on_an_object_are_stalled_after_the_timeout():
    goal = GripperGoal(0.0, 5.0)
    assert goal.check(0.03, -0.05, 6.5) is None, "it moves"
    assert goal.check(0.02, 0.0, 6.5 + STALL_TIMEOUT_S) is None
    assert goal.check(0.02, 0.0, 6.6 + STALL_TIMEOUT_S) is GoalEnd.STALLED
