# SPDX-License-Identifier: Apache-2.0
"""Joints that bring the tip of a chain to poses, step by step from where the joints are.

Damped least squares: each step takes the smallest change of joints that brings the tip nearer; near
a singular posture damping keeps it small. Joints that the pose does not need stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quantvla_ros.robot.chain import Kinematics
from quantvla_ros.robot.kinematics import link_frames
from quantvla_ros.robot.rotations import Array, rotation_vector

Pose = tuple[Array, Array]
"""Position [3], m, and rotation matrix [3, 3] of the tip in the base's frame."""

_STEPS, _ENOUGH = 20, 1e-7
_DAMPING = 0.02
"""In m and rad a unit of joint motion, of which damping begins to show."""
_LARGEST = 0.2
"""Change of a joint in one step, rad or m: the linear model holds no further."""


def follow(kinematics: Kinematics, start: Array, poses: Sequence[Pose]) -> Array:
    """Joints [rows, joints] at which the tip is as near to each pose as it comes.

    Args:
        kinematics: whose moving joints, in order, are meant.
        start: [joints] of the posture before the first pose, rad or m.
        poses: one a row, each near the one before it.
    """
    joints, found = np.array(start, np.float64), []
    for position, rotation in poses:
        for _ in range(_STEPS):
            error, jacobian = _error(kinematics, joints, (position, rotation))
            if float(np.abs(error).max()) < _ENOUGH:
                break
            # The damping falls with the error, so that what can be reached is reached.
            damping = _DAMPING**2 * min(1.0, float(np.linalg.norm(error)) * 10.0)
            square = jacobian @ jacobian.T + (damping + 1e-9) * np.eye(6)
            change = jacobian.T @ np.linalg.solve(square, error)
            joints = joints + change * min(1.0, _LARGEST / max(float(np.abs(change).max()), 1e-12))
        found.append(joints)
    return np.array(found)


def _error(kinematics: Kinematics, joints: Array, pose: Pose) -> tuple[Array, Array]:
    """Way [6] from the tip to a pose, m and rad in the base's frame, and the Jacobian."""
    places, axes, (at, turned) = link_frames(kinematics, joints)
    way = np.concatenate([pose[0] - at, rotation_vector(pose[1] @ turned.T)])
    columns = []
    moving = [joint for joint in kinematics.joints if joint.name is not None]
    for joint, place, axis in zip(moving, places, axes, strict=True):
        if joint.type == "prismatic":
            columns.append(np.concatenate([axis, np.zeros(3)]))
        else:
            columns.append(np.concatenate([np.cross(axis, at - place), axis]))
    return way, np.stack(columns, axis=1)
