# SPDX-License-Identifier: Apache-2.0
"""Twists of the tip on the same path as positions of joints.

The six axes are speeds; their limit takes the place of a joint's position limit, the tip's
acceleration that of a joint's velocity, and so on. So chunks of twists pass the same cross-fades,
limits and state machine, and a twist that is no longer asked for falls to zero within limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantvla_ros.control.limits import FloatArray, JointLimits

RISE_S = 0.1
"""Time in which the acceleration of the tip may rise to its limit, and its jerk likewise."""


@dataclass(frozen=True)
class TwistLimits:
    """Of the tip: speeds (m/s, rad/s) and accelerations (m/s^2, rad/s^2)."""

    linear: float
    angular: float
    linear_acceleration: float
    angular_acceleration: float


def twist_axes(names: Sequence[str], limits: TwistLimits) -> JointLimits:
    """Limits of the six axes, one derivative higher than the fields' names say."""
    speed = np.repeat([limits.linear, limits.angular], 3)
    rise = np.repeat([limits.linear_acceleration, limits.angular_acceleration], 3)
    return JointLimits(tuple(names), -speed, speed, rise, rise / RISE_S, rise / RISE_S**2)


def limited_twist(twist: FloatArray, limits: TwistLimits) -> FloatArray:
    """Twists [..., 6], the linear and the angular part each no longer than its limit."""
    parts = []
    for part, most in ((twist[..., :3], limits.linear), (twist[..., 3:], limits.angular)):
        length = np.linalg.norm(part, axis=-1, keepdims=True)
        parts.append(part / np.maximum(length / most, 1.0))
    return np.concatenate(parts, axis=-1)


def joined(first: JointLimits, second: JointLimits) -> JointLimits:
    """The joints of both."""
    fields = ("lower", "upper", "velocity", "acceleration", "jerk")
    rows = [np.concatenate([getattr(first, f), getattr(second, f)]) for f in fields]
    return JointLimits(first.names + second.names, *rows)
