# SPDX-License-Identifier: Apache-2.0
"""A float bundle from a GR00T N1.5 checkpoint, in LeRobot's layout or in NVIDIA's."""

from __future__ import annotations

from typing import Any

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.checkpoints.policy_config import valid_sizes
from quantvla_ros.checkpoints.text import find_tokenizer
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.importing import (
    LONGEST_INSTRUCTION,
    find_cameras,
    make_manifest,
    notes,
    understood,
)
from quantvla_ros.models.dit.sizes import check_sizes, spaces_of
from quantvla_ros.models.dit.trained import Trained
from quantvla_ros.models.groot_n15.config import GrootN15Config, Origin
from quantvla_ros.models.groot_n15.lerobot import read_lerobot
from quantvla_ros.models.groot_n15.nvidia import read_nvidia
from quantvla_ros.models.groot_n15.prompt import tokens_between
from quantvla_ros.models.groot_n15.sizes import head, language, vision
from quantvla_ros.models.groot_n15.weights import FUTURE, give_weights

AROUND = 4
"""Tokens of the brackets and quotes around an instruction."""


def importer(checkpoint: Checkpoint, options: ImportOptions) -> Imported | None:
    """See `Family.importer`."""
    origin = _origin(checkpoint.config)
    if origin is None:
        return None
    with understood(checkpoint):
        read = read_lerobot if origin == "lerobot" else read_nvidia
        trained = read(checkpoint, options)
    weights = Weights(checkpoint, trained.prefix)
    cameras = find_cameras(trained, options, {})
    text = find_tokenizer(checkpoint, options.tokenizer, named=trained.backbone)
    spec = TokenizerSpec(max_length=LONGEST_INSTRUCTION + AROUND, room=LONGEST_INSTRUCTION)
    parts = tokens_between(Tokenizer(text, spec.max_length), len(cameras.slots))
    config = _config(checkpoint, weights, trained, origin, parts)
    give_weights(weights, config, trained.embodiment)
    manifest = make_manifest("groot_n15", config, trained, cameras, options, spec)
    return Imported(manifest, weights, text, cameras, notes(trained, config))


def _origin(config: Any) -> Origin | None:
    """The layout of a checkpoint, by its config.json; None: it is of another family."""
    if config.get("type") == "groot":
        # The generation behind has no such field.
        return "lerobot" if config.get("tokenizer_assets_repo") else None
    return "nvidia" if config.get("model_type") == "gr00t_n1_5" else None


def _config(
    checkpoint: Checkpoint, weights: Weights, trained: Trained, origin: Origin, parts: list[int]
) -> GrootN15Config:
    """The network's sizes and what its inputs are made by; `parts`: see `tokens_between`.

    Raises:
        CheckpointError: they are missing, or do not fit each other.
    """
    told = trained.settings
    with understood(checkpoint), valid_sizes(checkpoint):
        config = GrootN15Config(
            vision=vision(weights, told),
            language=language(weights, told),
            head=head(weights, told),
            **spaces_of(weights),
            rows=told["action_head_cfg"]["action_horizon"],
            cameras=len(parts),
            lead=parts[0],
            between=tuple(parts[1:]),
            future=weights.shape(FUTURE)[0],
            origin=origin,
            formalize=trained.formalize,
        )
    check_sizes(str(checkpoint.path), weights, config, trained.tag, trained.embodiment)
    return config
