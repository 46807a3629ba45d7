# SPDX-License-Identifier: Apache-2.0
"""The network's tensors from those of a published checkpoint, and the sizes that they show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.policy_config import valid_sizes
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.models.pi05.names import (
    DROPPED,
    LANGUAGE,
    TIED_WORDS,
    TOWER,
    WORDS,
    network_name,
)


def read_weights(checkpoint: Checkpoint) -> Weights:
    """The network's tensors, none read yet; LeRobot's and openpi's names alike."""
    weights = Weights(checkpoint, prefix="model.")
    words = weights.first(WORDS, TIED_WORDS)
    weights.copy(network_name(WORDS), words)
    weights.drop(*DROPPED)
    for name in weights.stored:
        if name not in (WORDS, *DROPPED):
            weights.copy(network_name(name), name)
    return weights


def architecture(
    checkpoint: Checkpoint, weights: Weights, told: Mapping[str, Any], given: Mapping[str, Any]
) -> Pi05Config:
    """Sizes of the network.

    Widths and depths are those of the tensors. Heads leave no trace in them: the width of one
    and the vision tower's number are the published ones, unless they are given.

    Args:
        checkpoint: for sentences.
        weights: of `read_weights`.
        told: what the checkpoint's files say.
        given: what the user says; it wins.

    Raises:
        CheckpointError: a tensor is missing, or a size is not possible.
    """
    head = int(given.get("head_width", Pi05Config.model_fields["head_width"].default))
    seen = _seen(weights, head)
    with valid_sizes(checkpoint):
        config = Pi05Config.model_validate({**seen, **told, **given})
    _check_heads(checkpoint, weights, config)
    return config


def _seen(weights: Weights, head_width: int) -> dict[str, int]:
    def shape(ours: str) -> tuple[int, ...]:
        return tuple(weights.meta(ours).shape) if ours in weights else weights.shape(ours)

    vocabulary, width = shape("language_model.embed_tokens.weight")
    patches, vision_width = shape("vision_tower.position_embedding")
    patch = shape("vision_tower.patch_embedding.weight")[-1]
    expert, action_width = shape("action_in_proj.weight")
    layer = "layers.0"
    return {
        "vocabulary": vocabulary,
        "width": width,
        "layers": weights.layers(f"{LANGUAGE}layers"),
        "heads": shape(f"language_model.{layer}.self_attn.q_proj.weight")[0] // head_width,
        "kv_heads": shape(f"language_model.{layer}.self_attn.k_proj.weight")[0] // head_width,
        "mlp": shape(f"language_model.{layer}.mlp.gate_proj.weight")[0],
        "expert_width": expert,
        "expert_mlp": shape(f"action_expert.{layer}.mlp.gate_proj.weight")[0],
        "action_width": action_width,
        "image_size": math.isqrt(patches) * patch,
        "patch": patch,
        "vision_width": vision_width,
        "vision_layers": weights.layers(f"{TOWER}encoder.layers"),
        "vision_mlp": shape(f"vision_tower.{layer}.fc1.weight")[0],
    }


def _check_heads(checkpoint: Checkpoint, weights: Weights, config: Pi05Config) -> None:
    rows = weights.meta("language_model.layers.0.self_attn.q_proj.weight").shape[0]
    for key, whole, part in (
        ("head_width", rows, config.heads * config.head_width),
        ("vision_heads", config.vision_width, config.vision_width // config.vision_heads
         * config.vision_heads),
    ):  # fmt: skip
        if whole != part:
            raise CheckpointError(
                f"{checkpoint.path} has {whole} columns where {key} "
                f"{getattr(config, key)} does not fit; give {key} with --sizes FILE"
            )
