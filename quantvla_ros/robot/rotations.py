# SPDX-License-Identifier: Apache-2.0
"""Rotations as policies count them, to matrices and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rotation = Literal["vector", "euler", "rot6d", "quaternion"]
"""vector: axis times angle, rad; euler: roll, pitch, yaw about the fixed axes x, y, z as in a URDF,
rad; rot6d: the first two rows of the matrix; quaternion: x, y, z, w."""

WIDTHS: Mapping[Rotation, int] = {"vector": 3, "euler": 3, "rot6d": 6, "quaternion": 4}
_TINY = 1e-9
_UNIT = np.eye(3)


def to_matrix(kind: Rotation, values: Array) -> Array:
    """The matrix [3, 3] of values [width], which need not be normed."""
    if kind == "vector":
        return vector_matrix(values)
    if kind == "euler":
        x, y, z = np.eye(3)
        turned: Array = (
            axis_matrix(z, values[2]) @ axis_matrix(y, values[1]) @ axis_matrix(x, values[0])
        )
        return turned
    if kind == "quaternion":
        length = float(np.linalg.norm(values))
        axis, scalar = values[:3] / max(length, _TINY), float(values[3]) / max(length, _TINY)
        sine = float(np.linalg.norm(axis))
        return axis_matrix(axis / max(sine, _TINY), 2.0 * math.atan2(sine, scalar))
    first = values[:3] / max(float(np.linalg.norm(values[:3])), _TINY)
    second = values[3:] - first * (first @ values[3:])
    second = second / max(float(np.linalg.norm(second)), _TINY)
    return np.stack([first, second, np.cross(first, second)])


def from_matrix(kind: Rotation, matrix: Array, near: Array) -> Array:
    """Values [width] of a matrix [3, 3]; of equivalent ones those nearest to `near` [width]."""
    if kind == "rot6d":
        rows: Array = matrix[:2].reshape(6).copy()
        return rows
    if kind == "euler":
        return _euler(matrix, near)
    vector = rotation_vector(matrix)
    angle = float(np.linalg.norm(vector))
    if kind == "quaternion":
        half = angle / 2.0
        axis = vector / angle if angle > _TINY else np.zeros(3)
        value: Array = np.append(axis * math.sin(half), math.cos(half))
        return value if float(value @ near) >= 0 else -value
    if angle < _TINY:
        return vector
    others = (vector, vector * (1.0 - 2.0 * math.pi / angle))
    return min(others, key=lambda one: float(np.linalg.norm(one - near)))


def vector_matrix(vector: Array) -> Array:
    """The matrix [3, 3] of an axis times an angle."""
    angle = float(np.linalg.norm(vector))
    return axis_matrix(vector / max(angle, _TINY), angle)


class AxisTurn(NamedTuple):
    """All rotations about one axis (Rodrigues).

    Attributes:
        cross: the axis' cross product as a matrix [3, 3].
        square: that matrix times itself.
    """

    cross: Array
    square: Array

    @classmethod
    def about(cls, axis: Array) -> AxisTurn:
        """Of a unit vector [3]."""
        x, y, z = axis
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        return cls(cross, cross @ cross)

    def matrix(self, angle: float) -> Array:
        """The matrix [3, 3] of an angle, rad."""
        turned: Array = _UNIT + math.sin(angle) * self.cross + (1 - math.cos(angle)) * self.square
        return turned


def axis_matrix(axis: Array, angle: float) -> Array:
    """Rotation by `angle` about a unit vector."""
    return AxisTurn.about(axis).matrix(angle)


def rotation_vector(matrix: Array) -> Array:
    """Axis times angle, at most pi, of a matrix."""
    skew = np.array([matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0],
                     matrix[1, 0] - matrix[0, 1]])  # fmt: skip
    sine, cosine = float(np.linalg.norm(skew)) / 2.0, (float(np.trace(matrix)) - 1.0) / 2.0
    angle = math.atan2(sine, cosine)
    if sine > 1e-6:
        return skew / (2.0 * sine) * angle
    if cosine > 0:
        return skew / 2.0
    # Half a turn: the axis is the largest column of what is left of the matrix.
    outer = (matrix + np.eye(3)) / 2.0
    axis = outer[:, int(np.argmax(np.diag(outer)))]
    return axis / float(np.linalg.norm(axis)) * angle


def _euler(matrix: Array, near: Array) -> Array:
    pitch = math.atan2(-matrix[2, 0], math.hypot(matrix[0, 0], matrix[1, 0]))
    if abs(math.cos(pitch)) < 1e-6:  # roll and yaw are one: keep the roll
        roll = float(near[0])
        rest = to_matrix("euler", np.array([roll, pitch, 0.0]))
        yaw = math.atan2(
            matrix[1, 1] * rest[0, 1] - matrix[0, 1] * rest[1, 1],
            matrix[0, 1] * rest[0, 1] + matrix[1, 1] * rest[1, 1],
        )
        first = np.array([roll, pitch, yaw])
    else:
        roll = math.atan2(matrix[2, 1], matrix[2, 2])
        first = np.array([roll, pitch, math.atan2(matrix[1, 0], matrix[0, 0])])
    second = np.array([first[0] + math.pi, math.pi - first[1], first[2] + math.pi])
    turns = 2.0 * math.pi
    others = [one - turns * np.round((one - near) / turns) for one in (first, second)]
    return min(others, key=lambda one: float(np.linalg.norm(one - near)))
