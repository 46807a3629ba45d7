# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.7 checkpoint in NVIDIA's layout: shards, and three files that say how to use them.

processor_config.json, statistics.json and embodiment_id.json lie beside config.json or in the
folder processor/. Source: how lerobot 0.6.1 reads them, policies/groot/processor_groot.py:160-365.
"""

from __future__ import annotations

from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import ImportOptions
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.groups import Groups
from quantvla_ros.models.dit.trained import Trained, choose, refused_statistics
from quantvla_ros.models.groot_n17.sizes import check_switches, settings

FOLDERS = ("", "processor/")
LIBERO = "libero_sim"
"""The embodiment whose gripper is decoded to 1 and -1 (lerobot 0.6.1, GrootConfig)."""


def read_nvidia(checkpoint: Checkpoint, options: ImportOptions) -> Trained:
    """Read config.json and the three files.

    Raises:
        CheckpointError: one is missing, or means what is not carried here.
    """
    path = checkpoint.path
    told = settings(str(path / "config.json"), checkpoint.config, options.sizes)
    name, processor = _file(checkpoint, "processor_config.json")
    kwargs = processor.get("processor_kwargs", processor)
    check_switches(name, kwargs)
    listed, numbers = _file(checkpoint, "embodiment_id.json")
    modalities = kwargs.get("modality_configs") or {}
    tags = {tag: numbers[tag] for tag in modalities if tag in numbers}
    if not tags:
        raise CheckpointError(
            f"{name} lists no embodiment that {listed} knows: this is no policy of a robot yet; "
            "train it on your robot's data first"
        )
    tag, number = choose(name, tags, options.embodiment, None)
    modality = modalities[tag]
    stored, statistics = _file(checkpoint, "statistics.json")
    if options.norm_stats is not None:
        raise refused_statistics(stored)
    _check_history(name, modality)
    groups = Groups(
        stored,
        modality,
        statistics.get(tag) or {},
        bool(kwargs.get("use_percentiles", True)),
        bool(kwargs.get("use_relative_action", False)),
    )
    horizon = min(told["action_horizon"], groups.rows)
    action, counted = groups.action(horizon)
    return Trained(
        prefix="",
        settings=told,
        embodiment=number,
        tag=tag,
        cameras=modality["video"]["modality_keys"],
        sizes={},
        pictures=kwargs,
        formalize=bool(kwargs.get("formalize_language", True)),
        state=groups.state(bool(kwargs.get("clip_outliers", True))),
        action=action,
        counted=counted,
        two_sided=groups.columns("gripper") if tag == LIBERO else (),
        horizon=horizon,
        steps=told["num_inference_timesteps"],
        backbone=kwargs.get("model_name") or "nvidia/Cosmos-Reason2-2B",
        notes=(_order("state", modality), _order("action", modality)),
    )


def _order(kind: str, modality: dict[str, Any]) -> str:
    groups = ", ".join(modality[kind]["modality_keys"])
    return f"its {kind} is {groups}, in this order: see that the robot's {kind} means the same"


def _file(checkpoint: Checkpoint, name: str) -> tuple[str, Any]:
    """Path and content of one of the three."""
    for folder in FOLDERS:
        if (content := checkpoint.json(f"{folder}{name}")) is not None:
            return str(checkpoint.path / folder / name), content
    raise CheckpointError(
        f"{checkpoint.path} has no {name}, neither in itself nor in processor/; copy the whole "
        "checkpoint, or train one with LeRobot, whose layout needs no such file"
    )


def _check_history(where: str, modality: dict[str, Any]) -> None:
    for kind in ("video", "state"):
        steps = modality[kind].get("delta_indices") or [0]
        if len(steps) > 1:
            raise CheckpointError(
                f"{where} has {kind} at steps {steps}: the policy looks back, which is not "
                "carried here; train one that looks at the present alone"
            )
