# SPDX-License-Identifier: Apache-2.0
"""GR00T N1.7 checkpoints in NVIDIA's layout that move the tip by poses in its own frame.

The groups are those of NVIDIA's DROID embodiment; weights are the golden checkpoint's, random.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from support.imported_groot import checkpoint_of, tiny_sizes
from support.parity import golden
from support.six_axis import urdf

from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.build import empty_network
from quantvla_ros.models.groot_n17.importer import importer
from quantvla_ros.robot.robot_file import read_robot

ROWS = 9
ARM = tuple(f"joint_{i}" for i in range(6))
CAMERAS = ("image", "image2")
ORIGIN = {"xyz": [0.0, 0.01, 0.1], "rpy": [0.0, -1.2, 0.4]}
WIDTHS = {"eef_9d": 9, "eef_6d": 6, "gripper_position": 1, "joint_position": 2}
FORMATS = {"eef_9d": "XYZ_ROT6D", "eef_6d": "XYZ_ROTVEC"}
MIDDLE = {
    "eef_9d": [0.0] * 3 + [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    "gripper_position": [0.04],
}
"""Of the actions' ranges, where it is not zero: no rotation is two rows of the unit matrix."""

Groups = Sequence[str]


def relative_range(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ends of a relative group's range, [rows, values], wider from row to row."""
    width = WIDTHS[name]
    reach = np.where(np.arange(width) < 3, 0.02, 0.1) if name in FORMATS else np.full(width, 0.05)
    rows = np.linspace(0.2, 1.0, ROWS)[:, None] * reach
    middle = np.array(MIDDLE.get(name, [0.0] * width))
    return middle - rows, middle + rows


def _statistics(low: Any, high: Any) -> dict[str, Any]:
    ends = {"min": low, "max": high, "q01": low, "q99": high}
    ends |= {"mean": (low + high) / 2, "std": (high - low) / 4}
    return {name: values.tolist() for name, values in ends.items()}


def checkpoint(path: Path, states: Groups, actions: Groups) -> Path:
    """A checkpoint of these groups; all actions but the gripper's are relative."""
    shutil.copytree(checkpoint_of(golden("groot_raw")), path)
    ways, stats = [], {"state": {}, "action": {}, "relative_action": {}}
    for name in states:
        stats["state"][name] = _statistics(np.full(WIDTHS[name], -2.0), np.full(WIDTHS[name], 2.0))
    for name in actions:
        middle = np.array(MIDDLE.get(name, [0.0] * WIDTHS[name]))
        stats["action"][name] = _statistics(middle - 0.04, middle + 0.04)
        if name != "gripper_position":
            stats["relative_action"][name] = _statistics(*relative_range(name))
        ways.append(
            {
                "rep": "ABSOLUTE" if name == "gripper_position" else "RELATIVE",
                "type": "EEF" if name in FORMATS else "NON_EEF",
                "format": FORMATS.get(name, "DEFAULT"),
                "state_key": name,
            }
        )
    modality = {
        "video": {"delta_indices": [0], "modality_keys": ["image", "wrist_image"]},
        "state": {"delta_indices": [0], "modality_keys": list(states)},
        "action": {
            "delta_indices": list(range(ROWS)),
            "modality_keys": list(actions),
            "action_configs": ways,
        },
    }

    def of_droid(content: dict[str, Any]) -> None:
        content["processor_kwargs"].update(
            modality_configs={"new_embodiment": modality},
            use_relative_action=True,
            use_albumentations=False,
        )

    change(path / "processor_config.json", of_droid)
    (path / "statistics.json").write_text(json.dumps({"new_embodiment": stats}))
    return path


def change(file: Path, how: Any) -> None:
    """Change a JSON file."""
    content = json.loads(file.read_text())
    how(content)
    file.write_text(json.dumps(content))


def robot_file(
    path: Path, rotation: str, state: Groups, action: Groups, joints: Groups = ARM
) -> Path:
    """A robot.yaml of an arm and a gripper, with its URDF beside it; JSON is YAML, too."""
    limits = {"max_acceleration": 10.0, "max_jerk": 300.0}
    arm = {name: limits for name in joints}
    (path / "arm.urdf").write_text(urdf(joints))
    content: Mapping[str, Any] = {
        "name": "six",
        "limits_from": "made up",
        "rate": 2.0,
        "cameras": {
            c: f"{own}/image_raw" for c, own in zip(CAMERAS, ("front", "wrist"), strict=True)
        },
        "groups": {
            "arm": {"type": "arm", "joints": arm},
            "hand": {"type": "gripper", "joints": {"gripper": {**limits, "si": "rad"}}},
        },
        "state": list(state),
        "action": list(action),
        "tip": {
            "pose": {
                "urdf": "arm.urdf",
                "base": "l0",
                "link": f"l{len(joints)}",
                "rotation": rotation,
                "origin": ORIGIN,
            }
        },
    }
    file = path / "robot.yaml"
    file.write_text(json.dumps(content))
    return file


def imported(found: Path, robot: Path) -> Imported:
    """What the importer makes of it, compared with its network."""
    known = golden("groot_raw")
    own = read_robot(str(robot), robot.parent)
    options = ImportOptions(own, 2.0, tokenizer=known.tokenizer, sizes=tiny_sizes(known))
    made = importer(open_checkpoint(found), options)
    assert made is not None
    made.weights.check(empty_network(made.manifest).state_dict())
    return made


def saved(path: Path, made: Imported) -> Path:
    """Its float bundle."""
    return save_bundle(path, made.manifest, made.weights, made.tokenizer_json)
