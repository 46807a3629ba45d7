# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics of a URDF chain, in numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.chain import KinematicJoint, Kinematics, Vector3
from quantvla_ros.robot.rotations import Array
from quantvla_ros.robot.urdf import UrdfJoint, read_joints

_TYPES: dict[str, Literal["revolute", "prismatic", "fixed"]] = {
    "revolute": "revolute",
    "continuous": "revolute",
    "prismatic": "prismatic",
    "fixed": "fixed",
}


def forward_kinematics(
    kinematics: Kinematics, positions: Mapping[str, float]
) -> tuple[Array, Array]:
    """Pose of the tip link in the base link's frame.

    Args:
        kinematics: the chain.
        positions: rad or m by joint name; joints outside the chain are ignored.

    Returns:
        Position float64 [3], m, and rotation matrix float64 [3, 3] (tip to base).

    Raises:
        KeyError: a moving joint of the chain has no position.
    """
    names = [joint.name for joint in kinematics.joints if joint.name is not None]
    return link_frames(kinematics, np.array([positions[name] for name in names]))[2]


def link_frames(
    kinematics: Kinematics, positions: Array
) -> tuple[list[Array], list[Array], tuple[Array, Array]]:
    """Where the moving joints of a chain are and along what they move, in the base's frame.

    Args:
        kinematics: the chain.
        positions: [joints] of the moving joints in their order, rad or m.

    Returns:
        Places [3], m, and axes [3] of the moving joints, and the tip's position and rotation.
    """
    xyz, rotation = np.zeros(3), np.eye(3)
    places, axes = [], []
    values = iter(positions.tolist())
    for joint in kinematics.joints:
        mount = joint.mount
        xyz = xyz + rotation @ mount.xyz
        rotation = rotation @ mount.rotation
        if joint.name is None:
            continue
        value = next(values)
        places.append(xyz)
        axes.append(rotation @ mount.axis)
        if joint.type == "prismatic":
            xyz = xyz + rotation @ (mount.axis * value)
        else:
            rotation = rotation @ mount.turn.matrix(value)
    return places, axes, (xyz, rotation)


def kinematics_from_urdf(xml: str, base: str, tip: str) -> Kinematics:
    """The chain between two links of a URDF.

    Raises:
        QuantVLAError: the text is no XML, `tip` is not a descendant of `base`, or a joint between
            them is neither revolute, continuous, prismatic nor fixed, or mimics another one.
    """
    joint_of: dict[str, UrdfJoint] = {}
    for joint in read_joints(xml):
        joint_of[_link(joint, joint.child, "child")] = joint
    chain: list[KinematicJoint] = []
    link = tip
    while link != base:
        if link not in joint_of:
            raise QuantVLAError(
                f"the robot description has no chain from link '{base}' to link '{tip}'; "
                f"it ends at '{link}'"
            )
        # Popped, so that a description whose links form a ring ends in the error above.
        joint = joint_of.pop(link)
        chain.append(_kinematic(joint))
        link = _link(joint, joint.parent, "parent")
    return Kinematics(base, tip, tuple(chain[::-1]))


def _link(joint: UrdfJoint, link: str | None, end: str) -> str:
    if link is None:
        raise QuantVLAError(f"joint '{joint.name}' of the robot description has no {end} link")
    return link


def _kinematic(joint: UrdfJoint) -> KinematicJoint:
    name, kind = joint.name, joint.type
    if kind not in _TYPES or joint.mimics:
        what = f"is of type '{kind}'" if kind not in _TYPES else "mimics another joint"
        raise QuantVLAError(
            f"joint '{name}' of the robot description {what}; choose a chain without it"
        )
    direction = np.asarray(_numbers(joint.axis, "xyz", "1 0 0", name))
    length = float(np.linalg.norm(direction))
    if length == 0:
        raise QuantVLAError(f"joint '{name}' of the robot description has an axis of length zero")
    x, y, z = (direction / length).tolist()
    return KinematicJoint(
        name=None if kind == "fixed" else name,
        type=_TYPES[kind],
        xyz=_numbers(joint.origin, "xyz", "0 0 0", name),
        rpy=_numbers(joint.origin, "rpy", "0 0 0", name),
        axis=(x, y, z),
    )


def _numbers(attributes: Mapping[str, str], key: str, default: str, joint: str) -> Vector3:
    text = attributes.get(key, default)
    try:
        x, y, z = map(float, text.split())
    except ValueError:
        x = y = z = math.nan
    if not np.isfinite((x, y, z)).all():
        raise QuantVLAError(
            f"joint '{joint}' of the robot description has {key}=\"{text}\", expected three numbers"
        )
    return x, y, z
