# SPDX-License-Identifier: Apache-2.0
"""A chain of joints from one link of a robot to another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from quantvla_ros.robot.rotations import Array, AxisTurn, to_matrix

Vector3 = tuple[float, float, float]


class Mount(NamedTuple):
    """What no position changes of a joint: place, turn in the parent link, and its axis."""

    xyz: Array
    rotation: Array
    axis: Array
    turn: AxisTurn


@dataclass(frozen=True)
class KinematicJoint:
    """One joint of a URDF chain.

    Attributes:
        name: None exactly for a fixed joint.
        type: how it moves.
        xyz: place in the parent link, m.
        rpy: turn in the parent link, rad about the fixed axes x, y, z.
        axis: unit vector in the joint's frame.
    """

    name: str | None
    type: Literal["revolute", "prismatic", "fixed"]
    xyz: Vector3
    rpy: Vector3
    axis: Vector3

    def __post_init__(self) -> None:
        """Refuse numbers that are not finite and a moving joint without a name."""
        if (self.name is None) != (self.type == "fixed"):
            raise ValueError("a joint has a name exactly when it moves")
        if not np.isfinite([self.xyz, self.rpy, self.axis]).all():
            raise ValueError(f"joint '{self.name}' has a number that is not finite")

    @cached_property
    def mount(self) -> Mount:
        """Its numbers as matrices."""
        rotation, axis = to_matrix("euler", np.asarray(self.rpy)), np.asarray(self.axis)
        return Mount(np.asarray(self.xyz), rotation, axis, AxisTurn.about(axis))


@dataclass(frozen=True)
class Kinematics:
    """The chain from link `base` to link `tip`, base first."""

    base: str
    tip: str
    joints: tuple[KinematicJoint, ...]
