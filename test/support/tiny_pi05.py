# SPDX-License-Identifier: Apache-2.0
"""The tiny pi0.5 checkpoints of the golden room, imported for a robot that fits them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from support.parity import PARITY, golden

from quantvla_ros.backends.policy import Policy, policy_of
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.network import load_network
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.robot_file import RobotFile

CHECKPOINTS = ("pi05", "pi05_mean_std", "pi05_relative")
SIZES = {"head_width": 16, "vision_heads": 4}
"""What leaves no trace in the tensors of the tiny networks."""
TOKENIZER = PARITY / "pi05/hub/google/paligemma-3b-pt-224"
JOINTS = [f"j{i}.pos" for i in range(6)]
CAMERAS = ("base_0_rgb", "left_wrist_0_rgb")


def robot(cameras=CAMERAS, **changes) -> RobotFile:
    """An arm of six joints, a gripper that is commanded, and a rail that is only observed."""
    limits = {"max_velocity": 1.0}
    return RobotFile.model_validate(
        {
            "name": "golden",
            "limits_from": "a test",
            "cameras": {name: f"{name}/image_raw" for name in cameras},
            "groups": {
                "arm": {"type": "arm", "joints": dict.fromkeys(JOINTS, limits)},
                "gripper": {"type": "gripper", "joints": {"Gripper.pos": limits}},
                "rail": {"type": "arm", "joints": {"rail.pos": limits}},
            },
            "state": [*JOINTS, "Gripper.pos", "rail.pos"],
            "action": [*JOINTS, "Gripper.pos"],
            **changes,
        }
    )


def options(**changes) -> ImportOptions:
    """What imports a golden checkpoint."""
    known = ImportOptions(robot=robot(), rate=10.0, tokenizer=TOKENIZER, sizes=SIZES)
    return replace(known, **changes)


def imported(path: Path | str, **changes) -> Imported:
    """A checkpoint of the golden room, or another directory, as the family imports it."""
    found = find_family("pi05").importer(open_checkpoint(PARITY / path), options(**changes))
    assert found is not None
    return found


def float_bundle(path: Path | str, kind: torch.dtype | None = None, **changes) -> Bundle:
    """The same in memory; `kind` is that of tensors with two axes."""
    made = imported(path, **changes)
    spec = made.manifest.tokenizer
    tensors = {
        name: made.weights[name].to(kind) if kind and made.weights[name].ndim > 1
        else made.weights[name]
        for name in made.weights
    }  # fmt: skip
    tokenizer = Tokenizer(made.tokenizer_json, spec.max_length, spec.pad, spec.room)
    return Bundle(Path("golden"), made.manifest, tensors, tokenizer)


def float_policy(path: Path | str, kind: torch.dtype | None = None, **changes) -> Policy:
    """The same on the yardstick."""
    bundle = float_bundle(path, kind, **changes)
    return policy_of(bundle, load_network(bundle))


def observation(name: str) -> Observation:
    """What the golden checkpoint was given, raw."""
    known = golden(name)
    return Observation(known.pictures, known.state, known.task, 0.0)


def observations(count: int) -> list[Observation]:
    """Made-up ones for calibration."""
    rng = np.random.default_rng(5)
    return [
        Observation(
            {name: rng.integers(0, 256, (30, 40, 3), dtype=np.uint8) for name in CAMERAS},
            rng.normal(0.0, 0.5, len(JOINTS) + 2).astype(np.float32),
            "Pick up the red_cube and place it in bin 12.",
            0.0,
        )
        for _ in range(count)
    ]


def changed(source: str, path: Path, file: str, change) -> Path:
    """A copy of a golden checkpoint with one of its JSON files changed."""
    shutil.copytree(PARITY / source, path)
    for copied in path.rglob("*"):
        copied.chmod(0o755 if copied.is_dir() else 0o644)
    content = json.loads((path / file).read_text())
    change(content)
    (path / file).write_text(json.dumps(content))
    return path
