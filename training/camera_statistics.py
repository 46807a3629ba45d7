# SPDX-License-Identifier: Apache-2.0
"""What the robot's cameras show while the experts work, for the node's check of its cameras.

`python -m training.camera_statistics BUNDLE` renders scenes of every task family and writes the
statistics into the manifest of a float bundle; its other files stay as they are.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from calib_tools.common.failures import told
from quantvla_ros.bundle.calibration import Calibration
from quantvla_ros.bundle.manifest_file import write_manifest
from quantvla_ros.bundle.storage import load_manifest
from quantvla_ros.errors import BundleError
from quantvla_ros.processing.pictures import Picture, camera_statistics

FIRST_SEED, SCENES = 5_000_000, 3
"""Seen neither in training nor in evaluation; scenes of each task family."""
_TICKS, _EVERY = 60, 10  # of 0.1 s: how long an expert works at most, and between two pictures


@cache
def expert_pictures() -> dict[str, list[Picture]]:
    """Pictures of each camera, uint8 [96, 96, 3], from the start of the scenes to their end."""
    from simulation.expert import execute
    from simulation.tasks.registry import TASKS
    from training.processes import robot_of

    found: dict[str, list[Picture]] = {}
    for robot, seed in ((robot_of(family), scene) for family in TASKS for scene in range(SCENES)):
        robot.reset(FIRST_SEED + seed)
        expert = robot.task.expert(robot)
        for tick in range(_TICKS):
            if expert.done:
                break
            if tick % _EVERY == 0:
                for name, picture in robot.render().items():
                    found.setdefault(name, []).append(picture)
            execute(robot, expert.act())
    return found


def add_statistics(bundle: Path) -> None:
    """Write what the cameras of the simulated robot show into the manifest of a float bundle.

    Raises:
        QuantVLAError: no bundle, one that is quantized, or one with other cameras.
    """
    manifest = load_manifest(bundle, check_files=True)
    if manifest.quantization is not None:
        raise BundleError(f"{bundle} is quantized: its buffer says what its cameras show.")
    pictures = expert_pictures()
    if wrong := {camera.name for camera in manifest.interface.cameras} - set(pictures):
        raise BundleError(f"{bundle} has a camera '{min(wrong)}', which the robot has not.")
    cameras = {name: camera_statistics(shown) for name, shown in sorted(pictures.items())}
    known = Calibration(instructions=[], cameras=cameras)
    write_manifest(bundle, manifest.model_copy(update={"calibration": known}))


def main(bundle: Annotated[Path, typer.Argument(help="Directory of a float bundle.")]) -> None:
    """Write what the simulated robot's cameras show into a float bundle."""
    with told("camera_statistics"):
        add_statistics(bundle)


if __name__ == "__main__":
    typer.run(main)
