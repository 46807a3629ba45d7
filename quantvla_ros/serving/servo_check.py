# SPDX-License-Identifier: Apache-2.0
"""Whether MoveIt Servo takes the node's twists for what they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from quantvla_ros.control.twist import TwistLimits

SERVO_TIMEOUT_S = 0.1
"""Servo stops by itself when its newest command is so old (its ``incoming_command_timeout``)."""

TYPE, TIMEOUT, SIM_TIME = (
    "moveit_servo.command_in_type",
    "moveit_servo.incoming_command_timeout",
    "use_sim_time",
)
LINEAR, ANGULAR = "moveit_servo.scale.linear", "moveit_servo.scale.rotational"
SERVO_PARAMETERS = (TYPE, LINEAR, ANGULAR, TIMEOUT, SIM_TIME)
"""Names in MoveIt 2.5 (Humble) to 2.14 (Kilted)."""


def unfit(
    values: Mapping[str, Any], limits: TwistLimits, simulated: bool, capped: bool
) -> str | None:
    """Return why Servo would not do what the twists say, and the way out; None when it would.

    Args:
        values: of `SERVO_PARAMETERS`; one that is not known is not judged.
        limits: of the node's twists.
        simulated: whether the node's ROS clock comes from ``/clock``.
        capped: whether this release cuts twists in m/s and rad/s at its scales (Jazzy and later).
    """
    kind = values.get(TYPE, "speed_units")
    if kind != "speed_units":
        return (
            f"its parameter '{TYPE}' is '{kind}', so that it takes m/s and rad/s for shares of its "
            "own scales; set it to 'speed_units'"
        )
    for name, ours, parameter in (
        (LINEAR, limits.linear, "max_linear_velocity"),
        (ANGULAR, limits.angular, "max_angular_velocity"),
    ):
        scale = values.get(name, 0.0)
        if capped and 0.0 < scale < ours:
            return (
                f"its parameter '{name}' cuts twists at {scale:g}, and this node's '{parameter}' "
                f"is {ours:g}; raise the one or lower the other"
            )
    timeout = values.get(TIMEOUT, SERVO_TIMEOUT_S)
    if not math.isclose(timeout, SERVO_TIMEOUT_S):
        return (
            f"its parameter '{TIMEOUT}' is {timeout:g}, and this node counts on "
            f"{SERVO_TIMEOUT_S:g}; set it to that"
        )
    if values.get(SIM_TIME, simulated) != simulated:
        return (
            f"its parameter '{SIM_TIME}' is {str(not simulated).lower()} and this node's is not, "
            "so that every twist is too old for it; give both the same"
        )
    return None
