# SPDX-License-Identifier: Apache-2.0
"""The simulated robot's limits, from its URDF and config/panda_limits.yaml."""

from __future__ import annotations

import functools

import yaml

from quantvla_ros.control.limits import JointLimits, limits_from_urdf
from quantvla_ros.resources import shared_file
from quantvla_ros.serving.joint_limit_texts import JOINT_LIMIT_TEXTS
from simulation.robot import JOINT_NAMES
from simulation.urdf import panda_urdf


@functools.cache
def panda_parameters() -> dict[str, dict[str, float]]:
    """What a policy node is told of the joints: key of `JOINT_LIMIT_TEXTS` -> joint -> value."""
    content = yaml.safe_load(shared_file("config/panda_limits.yaml").read_text(encoding="utf-8"))
    rows = content["/**"]["ros__parameters"]["joint_limits"]
    return {
        key: {joint: row[key] for joint, row in rows.items() if key in row}
        for key in JOINT_LIMIT_TEXTS
    }


@functools.cache
def panda_limits() -> JointLimits:
    """Limits of all its joints."""
    given = panda_parameters()
    return limits_from_urdf(panda_urdf(), JOINT_NAMES, given["max_acceleration"], given["max_jerk"])
