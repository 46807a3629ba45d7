# SPDX-License-Identifier: Apache-2.0
"""Chunks of twists on the same path as chunks of joint positions.

The twists are added up to a way along six axes. This way goes through splicer, limits and stops
like the joints do; the velocity along it is the twist that goes out. The way is no pose: it only
serves to be differentiated again, so its angles need not be angles of a rotation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantvla_ros.control.limits import FloatArray, JointLimits

JERK_TIME_S = 0.1
"""Time in which the acceleration of the tip may rise to its limit."""


@dataclass(frozen=True)
class TwistLimits:
    """Of the tip: speeds (m/s, rad/s) and accelerations (m/s^2, rad/s^2), as lengths of vectors."""

    linear: float
    angular: float
    linear_acceleration: float
    angular_acceleration: float


def twist_axes(names: Sequence[str], limits: TwistLimits) -> JointLimits:
    """The six axes as joints without ends."""
    velocity = np.repeat([limits.linear, limits.angular], 3)
    acceleration = np.repeat([limits.linear_acceleration, limits.angular_acceleration], 3)
    infinite = np.full(6, np.inf)
    return JointLimits(
        tuple(names), -infinite, infinite, velocity, acceleration, acceleration / JERK_TIME_S
    )


def limited_twist(twist: FloatArray, limits: TwistLimits) -> FloatArray:
    """Twists [..., 6], the linear and the angular part each no longer than its limit."""
    parts = []
    for part, most in ((twist[..., :3], limits.linear), (twist[..., 3:], limits.angular)):
        length = np.linalg.norm(part, axis=-1, keepdims=True)
        parts.append(part / np.maximum(length / most, 1.0))
    return np.concatenate(parts, axis=-1)


def way_of(twists: FloatArray, dt: float, limits: TwistLimits) -> FloatArray:
    """Way [H, 6] at the end of each step of ``dt`` (s) with twists [H, 6], shortened to limits."""
    way: FloatArray = np.cumsum(limited_twist(twists, limits) * dt, axis=0)
    return way


def joined(first: JointLimits, second: JointLimits) -> JointLimits:
    """The joints of both."""
    fields = ("lower", "upper", "velocity", "acceleration", "jerk")
    rows = [np.concatenate([getattr(first, f), getattr(second, f)]) for f in fields]
    return JointLimits(first.names + second.names, *rows)
