# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's limits, from its URDF and config/robots/panda.yaml."""

from __future__ import annotations

import functools

from quantvla_ros.control.limits import JointLimits, limits_from_urdf
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.robot_file import PRESETS, read_robot
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from simulation.robot import JOINT_NAMES
from simulation.urdf import panda_urdf


@functools.cache
def panda_parameters() -> dict[str, dict[str, float]]:
    """The policy node's parameters of joints: key of `JOINT_LIMIT_TEXTS` -> joint -> value."""
    robot = read_robot("panda", shared_file(PRESETS))
    return {key: robot.limits(key) for key in JOINT_LIMIT_TEXTS}


@functools.cache
def panda_limits(names: tuple[str, ...] = JOINT_NAMES) -> JointLimits:
    """Limits of its joints; of all of them, if none are named."""
    given = panda_parameters()
    return limits_from_urdf(panda_urdf(), names, given["max_acceleration"], given["max_jerk"])
