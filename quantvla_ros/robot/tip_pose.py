# SPDX-License-Identifier: Apache-2.0
"""How a policy counts where the tip of an arm is, as what it observes or what it commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.chain import Kinematics
from quantvla_ros.robot.inverse_kinematics import Pose, follow
from quantvla_ros.robot.kinematics import link_frames
from quantvla_ros.robot.rotations import (
    WIDTHS,
    Array,
    Rotation,
    from_matrix,
    rotation_vector,
    to_matrix,
)

TIP = "tip"
"""What stands for a pose where values are listed by name."""
FARTHEST_M, FARTHEST_RAD = 0.3, 1.6
"""Of a chunk's first pose from where the tip is: what is further is counted in another frame."""


class FarPoseError(QuantVLAError):
    """A policy's first pose is nowhere near the tip."""


@dataclass(frozen=True)
class TipPose:
    """Poses: x, y, z in m, then a rotation.

    Attributes:
        kinematics: chain from the base to the tip.
        rotation: how rotations are counted.
        near: a rotation of the training's; of equivalent values those nearest to it are meant.
        frame: in which poses are counted: the base's, or that of the tip as it was observed when
            the chunk was predicted.
    """

    kinematics: Kinematics
    rotation: Rotation
    near: tuple[float, ...]
    frame: Literal["base", "tip"] = "base"

    def __post_init__(self) -> None:
        """Refuse a rotation of another width."""
        if len(self.near) != WIDTHS[self.rotation]:
            raise ValueError(f"near has {len(self.near)} values, not those of {self.rotation}")

    @property
    def width(self) -> int:
        """Values of a pose."""
        return 3 + WIDTHS[self.rotation]

    @property
    def joints(self) -> list[str]:
        """The chain's moving joints."""
        return [joint.name for joint in self.kinematics.joints if joint.name is not None]

    def values(self, joints: Array, start: Array | None = None) -> Array:
        """Poses [..., width] of postures [..., joints], rad or m.

        Args:
            joints: with rows before the last axis, where `start` is given.
            start: [..., joints] as they were observed, without those rows.
        """
        if start is None:
            return self._told(joints, (np.zeros(3), np.eye(3)))
        flat = joints.reshape(-1, *joints.shape[-2:])
        starts = np.broadcast_to(start, (*joints.shape[:-2], start.shape[-1]))
        found = [
            self._told(rows, self._origin(begin))
            for rows, begin in zip(flat, starts.reshape(-1, start.shape[-1]), strict=True)
        ]
        return np.reshape(found, (*joints.shape[:-1], self.width))

    def _told(self, joints: Array, origin: Pose) -> Array:
        """Poses [..., width] of postures [..., joints], in a frame of the base's."""
        near, found = np.asarray(self.near), []
        for posture in joints.reshape(-1, joints.shape[-1]):
            xyz, rotation = link_frames(self.kinematics, posture)[2]
            turned = from_matrix(self.rotation, origin[1].T @ rotation, near)
            found.append(np.concatenate([origin[1].T @ (xyz - origin[0]), turned]))
        return np.reshape(found, (*joints.shape[:-1], self.width))

    def _origin(self, start: Array) -> Pose:
        """Where poses of a chunk are counted from, in the base's frame."""
        if self.frame == "base":
            return np.zeros(3), np.eye(3)
        return link_frames(self.kinematics, start)[2]

    def follow(self, values: Array, start: Array) -> Array:
        """Postures [..., rows, joints] for poses [..., rows, width] from postures [..., joints] on.

        Raises:
            FarPoseError: the first pose is nowhere near the tip.
        """
        starts = np.broadcast_to(start, (*values.shape[:-2], start.shape[-1]))
        flat = values.reshape(-1, *values.shape[-2:])
        found = [
            self._followed(rows, begin)
            for rows, begin in zip(flat, starts.reshape(-1, start.shape[-1]), strict=True)
        ]
        return np.reshape(found, (*values.shape[:-1], start.shape[-1]))

    def _followed(self, rows: Array, start: Array) -> Array:
        at, turn = self._origin(start)
        poses = [(at + turn @ row[:3], turn @ to_matrix(self.rotation, row[3:])) for row in rows]
        xyz, rotation = link_frames(self.kinematics, start)[2]
        away = float(np.linalg.norm(poses[0][0] - xyz))
        turned = float(np.linalg.norm(rotation_vector(poses[0][1] @ rotation.T)))
        if not (away <= FARTHEST_M and turned <= FARTHEST_RAD):
            raise FarPoseError(
                f"the policy's first pose is {away:.2f} m and {turned:.1f} rad from link "
                f"'{self.kinematics.tip}': its poses are counted in another frame; correct base, "
                "link and rotation of tip.pose in robot.yaml and import it again"
            )
        return follow(self.kinematics, start, poses)
