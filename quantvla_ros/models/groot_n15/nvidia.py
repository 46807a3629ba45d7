# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.5 checkpoint in NVIDIA's layout: shards, and experiment_cfg/metadata.json.

That file has the statistics of all groups of values; which of them a policy was trained on, and in
which order, stands in the Python class that training was called with (--data-config) and nowhere in
the checkpoint. Taken are all, in the file's order, unless `--sizes FILE` holds the class's
`video_keys`, `state_keys` and `action_keys`. Source: Isaac-GR00T n1.5, gr00t/model/policy.py,
gr00t/experiment/data_config.py and gr00t/data/embodiment_tags.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.groups import Groups
from quantvla_ros.models.dit.trained import Trained, choose, refused_statistics
from quantvla_ros.models.groot_n15.lerobot import TOKENIZER
from quantvla_ros.models.groot_n15.rotations import with_rotations
from quantvla_ros.models.groot_n15.sizes import settings

METADATA = "experiment_cfg/metadata.json"
NUMBERS = {"new_embodiment": 31, "oxe_droid": 17, "agibot_genie1": 26, "gr1": 24}
COMPOSED = {
    "gr1": "whose state is told by sines and cosines",
    "oxe_droid": "whose gripper is told as open or closed",
}
"""Embodiments whose values are made otherwise than by their ranges."""


def read_nvidia(checkpoint: Checkpoint, options: ImportOptions) -> Trained:
    """Read config.json and metadata.json.

    Raises:
        CheckpointError: one is missing, or means what is not carried here.
    """
    path = checkpoint.path
    told = settings(str(path / "config.json"), checkpoint.config, options.sizes)
    where, content = str(path / METADATA), checkpoint.json(METADATA)
    if content is None:
        raise CheckpointError(
            f"{path} has no {METADATA}, which holds its statistics; copy the whole checkpoint"
        )
    tags = {tag: NUMBERS[tag] for tag in content if tag in NUMBERS}
    tag, number = choose(where, tags, options.embodiment, None)
    if options.norm_stats is not None:
        raise refused_statistics(where)
    if tag in COMPOSED:
        raise CheckpointError(
            f"{where} is of '{tag}', {COMPOSED[tag]}, which is not carried here; train the policy "
            "on your robot's data first, as 'new_embodiment'"
        )
    metadata = content[tag]
    keys = {kind: _keys(where, kind, metadata, told) for kind in ("video", "state", "action")}
    modality = {kind: {"modality_keys": names} for kind, names in keys.items()}
    statistics = with_rotations(where, metadata, keys, told.get("target_rotations"))
    groups = Groups(where, modality, statistics, percentiles=False, relative=False)
    head = told["action_head_cfg"]
    horizon = head["action_horizon"]
    action, counted = groups.action(horizon, clip=False)
    video = metadata["modalities"]["video"]
    return Trained(
        prefix="",
        settings=told,
        embodiment=number,
        tag=tag,
        cameras=keys["video"],
        sizes={name: _size(video[name]["resolution"]) for name in keys["video"]},
        pictures={},
        formalize=False,
        state=groups.state(clip=False),
        action=action,
        counted=counted,
        two_sided=(),
        horizon=horizon,
        steps=head["num_inference_timesteps"],
        backbone=TOKENIZER,
        notes=tuple(_note(kind, names) for kind, names in keys.items()),
    )


def _keys(
    where: str, kind: str, metadata: Mapping[str, Any], told: Mapping[str, Any]
) -> Sequence[str]:
    """Groups of one kind in the network's order, by the class's words or else by the file's."""
    known = list(metadata["modalities"][kind])
    said = [str(key).removeprefix(f"{kind}.") for key in told.get(f"{kind}_keys") or known]
    if unknown := [name for name in said if name not in known]:
        raise CheckpointError(
            f"{where} has no {kind} '{unknown[0]}', which {kind}_keys of --sizes FILE lists; it "
            f"has {', '.join(known)}"
        )
    return said


def _size(resolution: Sequence[int]) -> tuple[int, int]:
    width, height = resolution
    return height, width


def _note(kind: str, names: Sequence[str]) -> str:
    return (
        f"its {kind} is taken as {', '.join(names)}, in this order; if its data config lists "
        f"others, give them as {kind}_keys in --sizes FILE"
    )
