# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of the family from outside, as LeRobot lays them out, with random weights."""

from __future__ import annotations

import json

import torch
import yaml
from outside_family.importer import FUSED
from outside_family.network import ReachConfig, ReachNetwork
from safetensors.torch import save_file
from support.policy_graph import WORDS

JOINTS = ("shoulder.pos", "elbow.pos", "gripper.pos")
HORIZON, SIZE = 12, 16
LOW, HIGH = -0.6, 0.9
ROBOT = {
    "name": "made",
    "limits_from": "nobody",
    "rate": 10,
    "cameras": {"front": "front/image_raw", "wrist": "wrist/image_raw"},
    "groups": {
        "arm": {
            "type": "arm",
            "joints": {"j1": {"policy": JOINTS[0]}, "j2": {"policy": JOINTS[1], "unit": "deg"}},
        },
        "gripper": {
            "type": "gripper",
            "joints": {
                "jaw": {"policy": JOINTS[2], "unit": "0..100", "ends": [0.0, 0.04], "si": "m"}
            },
        },
    },
}
NORM = {"STATE": "QUANTILES", "ACTION": "QUANTILES", "VISUAL": "IDENTITY"}


def robot_file(path, **changes):
    """Write the robot's description."""
    path.write_text(yaml.safe_dump(ROBOT | changes))
    return path


def network_tensors(width=32, dtype=torch.float16):
    """Weights of the network by its own names."""
    torch.manual_seed(3)
    pairs = [(LOW, HIGH)] * len(JOINTS)
    config = ReachConfig(
        vocabulary=4,
        cameras=2,
        image_size=SIZE,
        state_quantiles=pairs,
        action_quantiles=pairs,
        width=width,
    )
    return {name: value.to(dtype) for name, value in ReachNetwork(config).state_dict().items()}


def stored_tensors(own):
    """The same as the checkpoint stores them: one matrix for an attention, `model.` before all."""
    names = [f"encoder.attention.{part}_proj.weight" for part in "qkv"]
    fused = {FUSED: torch.cat([own[name] for name in names])}
    rest = {name: value for name, value in own.items() if name not in names}
    return {f"model.{name}": value for name, value in (rest | fused).items()}


def write_checkpoint(path, tensors, shards=1, metadata=None):
    """Write the whole directory: config.json, pipelines with statistics, tokenizer, weights."""
    path.mkdir()
    cameras = ("observation.images.top", "observation.images.wrist")
    config = {
        "type": "reach",
        "joints": len(JOINTS),
        "vocabulary": 4,
        "image_size": SIZE,
        "chunk_size": HORIZON,
        "input_features": {name: {} for name in ("observation.state", *cameras)},
    }
    (path / "config.json").write_text(json.dumps(config))
    count = len(JOINTS)
    statistics = {
        f"{feature}.{name}": torch.full((count,), value)
        for feature in ("observation.state", "action")
        for name, value in (("q01", LOW), ("q99", HIGH), ("mean", 0.1), ("std", 0.2))
    }
    save_file(statistics, path / "state.safetensors")
    features = {
        "observation.state": {"type": "STATE", "shape": [count]},
        "action": {"type": "ACTION", "shape": [count]},
    }
    norm = {"eps": 1e-8, "features": features, "norm_map": NORM}
    relative = {"enabled": True, "exclude_joints": ["gripper"], "action_names": list(JOINTS)}
    renamed = {"rename_map": {"observation.images.front": "observation.images.top"}}
    steps = [
        {"registry_name": "rename_observations_processor", "config": renamed},
        {"registry_name": "to_batch_processor", "config": {}},
        {"registry_name": "relative_actions_processor", "config": relative},
        {
            "registry_name": "normalizer_processor",
            "config": norm,
            "state_file": "state.safetensors",
        },
        {
            "registry_name": "tokenizer_processor",
            "config": {"max_length": 8, "tokenizer_name": "tokenizer"},
            "artifacts": {"tokenizer_name": "tokenizer"},
        },
    ]
    post = [
        {
            "registry_name": "unnormalizer_processor",
            "config": norm,
            "state_file": "state.safetensors",
        },
        {"registry_name": "absolute_actions_processor", "config": {"enabled": True}},
    ]
    for name, listed in (("policy_preprocessor", steps), ("policy_postprocessor", post)):
        (path / f"{name}.json").write_text(json.dumps({"name": name, "steps": listed}))
    (path / "tokenizer").mkdir()
    (path / "tokenizer" / "tokenizer.json").write_text(WORDS)
    write_weights(path, tensors, shards, metadata)
    return path


def write_weights(path, tensors, shards=1, metadata=None):
    """One file, or several with an index."""
    if shards == 1:
        save_file(tensors, path / "model.safetensors", metadata)
        return
    index = {}
    for number in range(shards):
        names = list(tensors)[number::shards]
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        save_file({name: tensors[name] for name in names}, path / file, metadata)
        index |= dict.fromkeys(names, file)
    text = json.dumps({"metadata": {}, "weight_map": index})
    (path / "model.safetensors.index.json").write_text(text)
