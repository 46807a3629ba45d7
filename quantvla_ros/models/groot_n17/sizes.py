# SPDX-License-Identifier: Apache-2.0
"""A network's sizes, from the shapes of its tensors and from what no tensor tells.

Neither the class defaults of NVIDIA's code (12 language layers, 16 blocks, no reader) nor
LeRobot's are looked at: they disagree with each other and with fine-tunes. LeRobot's config.json
holds no sizes of the network at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.sizes import head_sizes, language_sizes
from quantvla_ros.models.groot_n17.config import (
    PUBLISHED_BACKBONE,
    HeadSizes,
    LanguageSizes,
    VisionSizes,
)
from quantvla_ros.models.groot_n17.weights import LANGUAGE, VISUAL, WORDS, WORDS_TOO

PUBLISHED: dict[str, Any] = {
    "action_horizon": 40,
    "attend_text_every_n_blocks": 2,
    "num_inference_timesteps": 4,
    "num_timestep_buckets": 1000,
    "rtc_ramp_rate": 6.0,
    "diffusion_model_cfg": {"num_attention_heads": 32},
    "vl_self_attention_cfg": {"num_attention_heads": 32},
    "backbone": PUBLISHED_BACKBONE,
}
"""Of nvidia/GR00T-N1.7-3B, where its config.json is not at hand.
Source: lerobot 0.6.1 policies/groot/groot_n1_7.py, GR00TN17Config."""

_NEEDED = {
    "use_alternate_vl_dit": True,
    "use_vlln": True,
    "add_pos_embed": True,
    "apply_sincos_state_encoding": False,
    "use_mean_std": False,
    "exclude_state": False,
}
"""Switches of config.json and processor_config.json that no published policy sets otherwise."""


def settings(where: str, config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What no tensor tells, by the names of NVIDIA's config.json.

    Args:
        where: the file, for the sentence.
        config: content of a config.json in NVIDIA's layout; empty in LeRobot's.
        given: what the user says instead, by the same names; ``backbone`` holds the backbone's
            own config.json and the ``size`` of its preprocessor_config.json.

    Raises:
        CheckpointError: a switch is set that this network does not follow.
    """
    merged = {**PUBLISHED, **{k: v for k, v in config.items() if v is not None}, **given}
    check_switches(where, merged)
    return merged


def check_switches(where: str, settings: Mapping[str, Any]) -> None:
    """Refuse what would have to be computed otherwise.

    Raises:
        CheckpointError: names the switch.
    """
    for name, value in _NEEDED.items():
        if settings.get(name, value) != value:
            raise CheckpointError(
                f"{where} sets {name} to {settings[name]}, which is not followed here; import a "
                f"checkpoint that was trained with {str(value).lower()}"
            )


def vision(weights: Weights, told: Mapping[str, Any]) -> VisionSizes:
    """Of the vision tower."""
    known = told["backbone"]["vision_config"]
    return VisionSizes(
        width=weights.shape(f"{VISUAL}pos_embed.weight")[1],
        layers=weights.layers(f"{VISUAL}blocks"),
        heads=known["num_heads"],
        mlp=weights.shape(f"{VISUAL}blocks.0.mlp.linear_fc1.weight")[0],
        deepstack=known["deepstack_visual_indexes"],
    )


def language(weights: Weights, told: Mapping[str, Any]) -> LanguageSizes:
    """Of the language model; its layers are those that are there, or fewer by select_layer."""
    known = told["backbone"]["text_config"]
    rotary = known["rope_parameters"]
    words = weights.first(WORDS, WORDS_TOO)
    found = language_sizes(weights, f"{LANGUAGE}layers", words, rotary["rope_theta"])
    found["layers"] = min(found["layers"], told.get("select_layer", found["layers"]))
    return LanguageSizes(**found, sections=rotary["mrope_section"])


def head(weights: Weights, told: Mapping[str, Any]) -> HeadSizes:
    """Of the action head."""
    return HeadSizes(**head_sizes(weights, told), text_every=told["attend_text_every_n_blocks"])
