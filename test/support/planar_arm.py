# SPDX-License-Identifier: Apache-2.0
"""A planar arm of three joints with a gripper, whose policies observe and command its tip."""

from __future__ import annotations

import numpy as np
from support.spaces import GRIPPER

from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.chain import KinematicJoint, Kinematics
from quantvla_ros.robot.interface import StateSpace
from quantvla_ros.robot.rotations import WIDTHS
from quantvla_ros.robot.tip_pose import TIP, TipPose
from quantvla_ros.robot.units import entries

ARM_JOINTS = ("a1", "a2", "a3")
LINKS = (0.0, 0.3, 0.25)
HAND = 0.1
POSED = ActionGroup("arm", "arm", "ee_pose")


def chain(joints=ARM_JOINTS) -> Kinematics:
    """Three joints about z, links along x."""
    moving = tuple(
        KinematicJoint(name, "revolute", (length, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
        for name, length in zip(joints, LINKS, strict=True)
    )
    hand = KinematicJoint(None, "fixed", (HAND, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    return Kinematics("base", "tip", (*moving, hand))


def pose(rotation="vector", joints=ARM_JOINTS) -> TipPose:
    """Of its tip."""
    return TipPose(chain(joints), rotation, (0.0,) * WIDTHS[rotation])


def posed_spaces(rotation, joints=ARM_JOINTS, finger="finger", unit="m"):
    """State and actions: the tip's pose and the gripper."""
    arm, hand = entries(joints, "rad", "arm"), entries([finger], unit, "gripper")
    made = pose(rotation, joints)
    state = StateSpace((*arm, *hand), made.width + 1, told=(TIP, finger), pose=made)
    return state, ActionSpace((POSED, GRIPPER), (*arm, *hand), made.width + 1, made)


def tip_at(joints):
    """Position of the tip and its turn about z."""
    turns = np.cumsum(joints)
    lengths = np.array([*LINKS[1:], HAND])
    return np.array([lengths @ np.cos(turns), lengths @ np.sin(turns), 0.0, turns[-1]])
