# SPDX-License-Identifier: Apache-2.0
"""Sources of a calibration buffer: those of a configuration, or what a robot's description says."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from calib_tools.buffer.sources import CalibrationConfig, CameraSource, JointSource, load_config
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.resources import shared_file
from quantvla_ros.robot.robot_file import PRESETS, read_robot
from quantvla_ros.validation import first_problem


def read_sources(config: Path | None, robot: str) -> CalibrationConfig:
    """Sources by whichever of the two is given; a robot's are its cameras and all its joints.

    Raises:
        QuantVLAError: both or none are given, a file is not valid, or the robot names no camera.
    """
    if (config is None) == (not robot):
        raise QuantVLAError("Give the sources by --config, or the robot by --robot, and not both.")
    if config is not None:
        return load_config(config)
    found = read_robot(robot, shared_file(PRESETS))
    try:
        return CalibrationConfig(
            cameras={
                slot: CameraSource(topic=f"/{topic.removeprefix('/')}")
                for slot, topic in found.cameras.items()
            },
            joint_states=JointSource(
                names=list(found.joints),
                policy_names={n: j.policy for n, j in found.joints.items() if j.policy},
            ),
        )
    except ValidationError as error:
        raise QuantVLAError(f"In the robot '{robot}', {first_problem(error)}.") from error
