# SPDX-License-Identifier: Apache-2.0
"""The policy node's parameters of each joint, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

TRACKING_TOLERANCE = "tracking_tolerance"
MAX_JUMP = "max_jump"
UNWATCHED_AT_ZERO = (TRACKING_TOLERANCE, MAX_JUMP)
JOINT_LIMIT_TEXTS: Mapping[str, tuple[str, str]] = {
    "max_velocity": ("Velocity limit; may only lower the URDF's.", "rad/s or m/s"),
    "max_acceleration": ("Acceleration limit. Required.", "rad/s^2 or m/s^2"),
    "max_jerk": ("Jerk limit. Required.", "rad/s^3 or m/s^3"),
    TRACKING_TOLERANCE: (
        "Distance from the command beyond which the joint does not follow. 0: not watched, for "
        "fingers that close on an object. Without it the tolerance follows from `tracking_lag_s`.",
        "rad or m",
    ),
    MAX_JUMP: (
        "Distance that the joint may be measured from where it was, beyond what its velocity limit "
        "covers between the two stamps. 0: not watched, for grippers that only tell open or "
        "closed. Without it the distance follows from `max_jump_s`.",
        "rad or m",
    ),
}
"""Parameters ``joint_limits.<joint>.<key>``: text, unit. The limits' names are those of MoveIt and
ros2_control."""
