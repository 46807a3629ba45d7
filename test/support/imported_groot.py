# SPDX-License-Identifier: Apache-2.0
"""The golden GR00T N1.7 checkpoints, imported for a robot of seven joints that count in radians."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support.imported import checked, saved
from support.parity import Golden, golden

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.models.groot_n17.importer import importer
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.robot_file import RobotFile

NAMES = ("groot", "groot_relative", "groot_raw")
CAMERAS = {"groot_raw": ("image", "image2")}


def robot(name: str) -> RobotFile:
    """Joints j0 to j5 and a gripper, and the golden's cameras."""
    joints = {f"j{n}": {} for n in range(6)}
    gripper = {"type": "gripper", "joints": {"grip": {}}}
    cameras = CAMERAS.get(name, ("front", "wrist"))
    return RobotFile.model_validate(
        {
            "name": "seven",
            "limits_from": "a test",
            "cameras": {camera: f"/{camera}/image_raw" for camera in cameras},
            "groups": {"arm": {"type": "arm", "joints": joints}, "gripper": gripper},
        }
    )


def needs_opencv(name: str) -> None:
    """Skip a test of pictures that OpenCV makes, where it is not installed: cv_bridge brings it."""
    if name == "groot_raw":
        pytest.importorskip("cv2")


def tiny_sizes(known: Golden) -> dict:
    """What `--sizes FILE` holds for a tiny checkpoint."""
    hub = known.tokenizer.parent
    backbone = json.loads((hub / "config.json").read_text())
    backbone["size"] = json.loads((hub / "preprocessor_config.json").read_text())["size"]
    base = json.loads((known.path / "base/config.json").read_text())
    return {**base, "backbone": backbone}


def options(known: Golden, **changes) -> ImportOptions:
    """Those of an import of a golden checkpoint."""
    told = {
        "robot": robot(known.path.name),
        "rate": 10.0,
        "tokenizer": known.tokenizer,
        "sizes": tiny_sizes(known),
    }
    return ImportOptions(**{**told, **changes})


def checkpoint_of(known: Golden) -> Path:
    """Where the checkpoint itself lies: in NVIDIA's layout below the golden's folder."""
    return known.path / "base" if known.path.name == "groot_raw" else known.path


@cache
def imported(name: str) -> Path:
    """A float bundle of a golden checkpoint, imported once."""
    needs_opencv(name)
    known = golden(name)
    return saved(checked(importer(open_checkpoint(checkpoint_of(known)), options(known))))


def observation(known: Golden) -> Observation:
    """What the golden's robot sees; its cameras are the policy's."""
    return Observation(known.pictures, np.asarray(known.state), known.task, 0.0)
