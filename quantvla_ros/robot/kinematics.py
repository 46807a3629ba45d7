# SPDX-License-Identifier: Apache-2.0
"""Forward kinematics of a URDF chain, in numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.chain import KinematicJoint, Kinematics, Vector3
from quantvla_ros.robot.urdf import UrdfJoint, read_joints

Array = NDArray[np.float64]

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
    xyz, rotation = np.zeros(3), np.eye(3)
    for joint in kinematics.joints:
        xyz = xyz + rotation @ np.asarray(joint.xyz)
        rotation = rotation @ _rpy_matrix(joint.rpy)
        if joint.name is None:
            continue
        axis, value = np.asarray(joint.axis), positions[joint.name]
        if joint.type == "prismatic":
            xyz = xyz + rotation @ (axis * value)
        else:
            rotation = rotation @ _axis_matrix(axis, value)
    return xyz, rotation


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


def _rpy_matrix(rpy: Vector3) -> Array:
    """Roll, pitch, yaw about the fixed axes x, y, z, as URDF defines them."""
    x, y, z = np.eye(3)
    result: Array = _axis_matrix(z, rpy[2]) @ _axis_matrix(y, rpy[1]) @ _axis_matrix(x, rpy[0])
    return result


def _axis_matrix(axis: Array, angle: float) -> Array:
    """Rotation by `angle` about a unit vector (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    result: Array = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return result
