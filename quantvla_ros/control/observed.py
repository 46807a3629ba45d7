# SPDX-License-Identifier: Apache-2.0
"""What a robot description says of the joints that are observed, commanded or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.robot.urdf import UrdfJoint, read_joints


@dataclass(frozen=True)
class ObservedJoints:
    """n observed joints.

    Attributes:
        names: in the order of the joint states.
        velocity: [n] fastest motion, rad/s or m/s; infinite where it is not known.
        continuous: [n] whether a whole turn more is the same posture.
    """

    names: tuple[str, ...]
    velocity: FloatArray
    continuous: NDArray[np.bool_]


def observed_from_urdf(xml: str, names: Sequence[str]) -> ObservedJoints:
    """Read a URDF; a joint that it lacks, or gives no velocity limit, has an infinite one.

    Raises:
        UrdfError: the text is no XML.
    """
    joints = {joint.name: joint for joint in read_joints(xml)}
    found = [joints.get(name) for name in names]
    return ObservedJoints(
        tuple(names),
        np.array([_velocity(joint) for joint in found]),
        np.array([joint is not None and joint.type == "continuous" for joint in found]),
    )


def _velocity(joint: UrdfJoint | None) -> float:
    limit = None if joint is None else joint.limit
    try:
        value = float("nan" if limit is None else limit.get("velocity", "nan"))
    except ValueError:
        value = math.nan
    return value if math.isfinite(value) and value > 0 else math.inf
