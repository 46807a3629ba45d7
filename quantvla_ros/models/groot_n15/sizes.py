# SPDX-License-Identifier: Apache-2.0
"""A network's sizes, from the shapes of its tensors and from what no tensor tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.sizes import HeadSizes, LanguageSizes, head_sizes, language_sizes
from quantvla_ros.models.groot_n15.config import PUBLISHED, VisionSizes
from quantvla_ros.models.groot_n15.weights import LANGUAGE, TOWER, WORDS, WORDS_TOO

_NEEDED: dict[str, Mapping[str, Any]] = {
    "action_head_cfg": {"use_vlln": True, "add_pos_embed": True},
    "diffusion_model_cfg": {
        "interleave_self_attention": True,
        "norm_type": "ada_norm",
        "positional_embeddings": None,
    },
    "vl_self_attention_cfg": {"positional_embeddings": None},
    "backbone_cfg": {"reproject_vision": False},
}
"""Switches of config.json that no published policy sets otherwise."""


def settings(where: str, config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What no tensor tells, by the names of NVIDIA's config.json.

    Args:
        where: the file, for the sentence.
        config: content of a config.json in NVIDIA's layout; empty in LeRobot's.
        given: what the user says instead, by the same names; ``backbone`` holds the backbone's own
            config.json.

    Raises:
        CheckpointError: a switch is set that this network does not follow.
    """
    told: dict[str, Any] = {**config, **given}
    for name, published in PUBLISHED.items():
        told[name] = {**published, **(config.get(name) or {}), **(given.get(name) or {})}
    head = told["action_head_cfg"]
    for part, switches in _NEEDED.items():
        known = told.get(part) or head.get(part) or {}
        for name, value in switches.items():
            if known.get(name, value) != value:
                raise CheckpointError(
                    f"{where} sets {name} of {part} to {known[name]}, which is not followed here; "
                    f"import a checkpoint that was trained with {str(value).lower()}"
                )
    return told


def vision(weights: Weights, told: Mapping[str, Any]) -> VisionSizes:
    """Of the vision tower."""
    patches, width = weights.shape(f"{TOWER}.embeddings.position_embedding.weight")
    patch = weights.shape(f"{TOWER}.embeddings.patch_embedding.weight")[-1]
    return VisionSizes(
        image_size=math.isqrt(patches) * patch,
        patch=patch,
        width=width,
        layers=weights.layers(f"{TOWER}.encoder.layers"),
        heads=told["backbone"]["vision_config"]["num_attention_heads"],
        mlp=weights.shape(f"{TOWER}.encoder.layers.0.mlp.fc1.weight")[0],
    )


def language(weights: Weights, told: Mapping[str, Any]) -> LanguageSizes:
    """Of the language model; its layers are those that are there, or fewer by select_layer."""
    theta = told["backbone"]["text_config"]["rope_theta"]
    words = weights.first(WORDS, WORDS_TOO)
    found = language_sizes(weights, f"{LANGUAGE}layers", words, theta)
    found["layers"] = min(found["layers"], told["backbone_cfg"]["select_layer"])
    return LanguageSizes(**found)


def head(weights: Weights, told: Mapping[str, Any]) -> HeadSizes:
    """Of the action head."""
    return HeadSizes(**head_sizes(weights, told["action_head_cfg"]))
