# SPDX-License-Identifier: Apache-2.0
"""Joint limits: what no command may exceed, read from the robot's own URDF."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.robot.urdf import UrdfError, UrdfJoint, read_joints

FloatArray = NDArray[np.float64]


class LimitsMissingError(QuantVLAError):
    """A limit that the controller needs is absent or unusable (LIMITS_MISSING)."""


@dataclass(frozen=True)
class JointLimits:
    """Limits of n joints, in the order of ``names``; rad or m, and their derivatives by s.

    ``lower``/``upper`` may be infinite (a continuous joint); ``velocity``, ``acceleration`` and
    ``jerk`` are the same in both directions, finite and positive.

    Raises:
        LimitsMissingError: a value is not usable; the sentence names the joint.
    """

    names: tuple[str, ...]
    lower: FloatArray
    upper: FloatArray
    velocity: FloatArray
    acceleration: FloatArray
    jerk: FloatArray

    def __post_init__(self) -> None:
        """Bring every field to float64 [n] and refuse what cannot limit anything."""
        for field in ("lower", "upper", "velocity", "acceleration", "jerk"):
            values = np.array(getattr(self, field), dtype=np.float64)
            if values.shape != (len(self.names),):
                raise LimitsMissingError(
                    f"joint limits: '{field}' has shape {values.shape} for "
                    f"{len(self.names)} joints; give one value a joint"
                )
            values.flags.writeable = False
            object.__setattr__(self, field, values)
        for i, name in enumerate(self.names):
            if not self.lower[i] < self.upper[i]:
                raise LimitsMissingError(
                    f"joint '{name}': the lower position limit {self.lower[i]} is not below the "
                    f"upper one {self.upper[i]}; correct <limit> in the URDF"
                )
            for field in ("velocity", "acceleration", "jerk"):
                value = float(getattr(self, field)[i])
                if not (math.isfinite(value) and value > 0):
                    raise LimitsMissingError(
                        f"joint '{name}': the {field} limit {value} is not a positive number; "
                        f"{_WAY_OUT[field]}"
                    )

    @property
    def continuous(self) -> NDArray[np.bool_]:
        """[n] joints without position limits: a whole turn more is the same posture."""
        return np.isinf(self.lower) & np.isinf(self.upper)

    def with_jerk(self, most: FloatArray) -> JointLimits:
        """The same with jerks of at most [n] rad/s^3 or m/s^3."""
        return replace(self, jerk=np.minimum(self.jerk, most))


_WAY_OUT = {
    "velocity": "set velocity in the URDF's <limit>",
    "acceleration": "set it in the parameter for acceleration limits",
    "jerk": "set it in the parameter for jerk limits",
}


def limits_from_urdf(
    xml: str,
    names: Sequence[str],
    acceleration: Mapping[str, float],
    jerk: Mapping[str, float],
) -> JointLimits:
    """Position and velocity limits from a URDF, acceleration and jerk (absent there) from maps.

    Args:
        xml: the robot description.
        names: joints in the policy's order.
        acceleration: joint name -> rad/s^2 or m/s^2.
        jerk: joint name -> rad/s^3 or m/s^3.

    Raises:
        LimitsMissingError: the text is no URDF, or a joint or one of its limits is missing.
    """
    try:
        joints = {joint.name: joint for joint in read_joints(xml)}
    except UrdfError as error:
        raise LimitsMissingError(f"{error}; check what publishes it") from error
    rows = [
        (
            *_urdf_row(joints.get(name), name),
            _given(acceleration, name, "acceleration"),
            _given(jerk, name, "jerk"),
        )
        for name in names
    ]
    lower, upper, velocity, acc, jrk = (np.array(c) for c in zip(*rows, strict=True))
    return JointLimits(tuple(names), lower, upper, velocity, acc, jrk)


def _urdf_row(joint: UrdfJoint | None, name: str) -> tuple[float, float, float]:
    """Lower, upper and velocity limit of one URDF joint."""
    if joint is None:
        raise LimitsMissingError(
            f"joint '{name}' is not in the robot description; check the joint names of the bundle"
        )
    limit = joint.limit
    if limit is None:
        raise LimitsMissingError(f"joint '{name}' has no <limit> in the robot description; add it")
    if joint.type == "continuous":
        return -math.inf, math.inf, _number(limit, "velocity", name)
    lower, upper, velocity = (_number(limit, k, name) for k in ("lower", "upper", "velocity"))
    return lower, upper, velocity


def _number(limit: Mapping[str, str], key: str, name: str) -> float:
    """One attribute of <limit>; URDF's silent default of zero is refused, not used."""
    try:
        value = float(limit[key])
    except (KeyError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise LimitsMissingError(
            f"joint '{name}': <limit> in the robot description has no usable '{key}'; add it"
        )
    return value


def _given(values: Mapping[str, float], name: str, what: str) -> float:
    """One joint's value of a parameter map."""
    if name not in values:
        raise LimitsMissingError(f"joint '{name}' has no {what} limit; {_WAY_OUT[what]}")
    return float(values[name])
