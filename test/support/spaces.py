# SPDX-License-Identifier: Apache-2.0
"""State and action spaces of small robots, group by group."""

from __future__ import annotations

from quantvla_ros.robot.action_space import TWIST_NAMES, ActionGroup, ActionSpace
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.units import entries

ARM = ActionGroup("arm", "arm", "joint_position")
DELTA_ARM = ActionGroup("arm", "arm", "joint_delta")
FAST_ARM = ActionGroup("arm", "arm", "joint_velocity")
GRIPPER = ActionGroup("gripper", "gripper", "joint_position")
TIP = ActionGroup("tip", "tip", "ee_delta")


def state_space(*groups, kinematics=None) -> StateSpace:
    """A state of (group, unit, names) each."""
    found = _entries(groups)
    return StateSpace(found, len(found) + (3 if kinematics else 0), kinematics)


def action_space(*groups) -> ActionSpace:
    """Actions of (group, unit, names) each."""
    found = _entries(groups)
    return ActionSpace(tuple(dict.fromkeys(group for group, _, _ in groups)), found, len(found))


def twist(linear: str = "m/s", angular: str = "rad/s"):
    """The groups of `action_space` that move a tip."""
    return (TIP, linear, TWIST_NAMES[:3]), (TIP, angular, TWIST_NAMES[3:])


def _entries(groups):
    return tuple(one for group, unit, names in groups for one in entries(names, unit, group.name))
