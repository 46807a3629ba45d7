# SPDX-License-Identifier: Apache-2.0
"""The golden GR00T N1.5 checkpoint, in LeRobot's layout and put into NVIDIA's."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from safetensors.torch import load_file, save_file
from support.imported import checked, saved
from support.imported_groot import observation as observation
from support.imported_groot import robot
from support.parity import Golden, golden

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.groot_n15.importer import importer

NAME = "groot_n15"
SHARDS = "model-0000{}-of-00002.safetensors"
GROUPS = {"single_arm": slice(0, 6), "gripper": slice(6, 7)}


def tiny_sizes(known: Golden) -> dict:
    """What `--sizes FILE` holds for the tiny checkpoint."""
    backbone = json.loads((known.tokenizer.parent / "config.json").read_text())
    return {**json.loads((known.path / "base/config.json").read_text()), "backbone": backbone}


def options(**changes) -> ImportOptions:
    """Those of an import of the golden checkpoint."""
    known = golden(NAME)
    told = {
        "robot": robot("groot"),
        "rate": 10.0,
        "tokenizer": known.tokenizer,
        "sizes": tiny_sizes(known),
    }
    return ImportOptions(**{**told, **changes})


def made(path: Path | None = None, **changes) -> Imported:
    """A checkpoint, else the golden one, imported and compared with its network."""
    return checked(importer(open_checkpoint(path or golden(NAME).path), options(**changes)))


@cache
def imported() -> Path:
    """A float bundle of the golden checkpoint, imported once."""
    return saved(made())


def nvidia_checkpoint(path: Path) -> Path:
    """The same policy as NVIDIA's runner saves it: shards, and statistics of groups."""
    known = golden(NAME)
    stored = load_file(known.path / "model.safetensors")
    tensors = {name.removeprefix("_groot_model."): tensor for name, tensor in stored.items()}
    language = "backbone.eagle_model.language_model."
    tensors[f"{language}model.embed_tokens.weight"] = tensors.pop(f"{language}lm_head.weight")
    names = sorted(tensors)
    halves = names[::2], names[1::2]
    path.mkdir()
    for number, half in enumerate(halves, start=1):
        save_file({name: tensors[name] for name in half}, path / SHARDS.format(number))
    index = {name: SHARDS.format(n) for n, half in enumerate(halves, start=1) for name in half}
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (path / "config.json").write_text((known.path / "base/config.json").read_text())
    state = load_file(next(known.path.glob("policy_preprocessor_step_*.safetensors")))
    statistics, modalities = {}, {}
    for kind, feature in (("state", "observation.state"), ("action", "action")):
        values = {k: state[f"{feature}.{k}"] for k in ("min", "max", "mean", "std", "q01", "q99")}
        statistics[kind] = {
            group: {k: v[place].tolist() for k, v in values.items()}
            for group, place in GROUPS.items()
        }
        modalities[kind] = {
            group: {"absolute": True, "rotation_type": None, "continuous": True} for group in GROUPS
        }
    video = {"resolution": [640, 480], "channels": 3, "fps": 30.0}
    modalities["video"] = {"front": video, "wrist": video}
    metadata = {"new_embodiment": {"statistics": statistics, "modalities": modalities}}
    (path / "experiment_cfg").mkdir()
    (path / "experiment_cfg/metadata.json").write_text(json.dumps(metadata))
    return path
