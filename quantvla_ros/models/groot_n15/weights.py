# SPDX-License-Identifier: Apache-2.0
"""From the tensors of a published checkpoint to those of `GrootN15`.

Left out: the language model's head and the vision tower's pooling, which inference never calls.
"""

from __future__ import annotations

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.weights import HEAD, give_head, give_language, give_personal
from quantvla_ros.models.groot_n15.config import GrootN15Config
from quantvla_ros.models.patch_tower import give_patch_tower

EAGLE = "backbone.eagle_model."
LANGUAGE, TOWER = f"{EAGLE}language_model.model.", f"{EAGLE}vision_model.vision_model"
WORDS, WORDS_TOO = f"{LANGUAGE}embed_tokens.weight", f"{EAGLE}language_model.lm_head.weight"
"""The table of words and its twin: LeRobot's files hold the second alone, NVIDIA's the first."""
FUTURE = f"{HEAD}future_tokens.weight"


def give_weights(weights: Weights, config: GrootN15Config, embodiment: int) -> None:
    """Say where every tensor of the network comes from; nothing is read."""
    layers, head = config.language.layers, config.head
    give_language(weights, LANGUAGE, layers, (WORDS, WORDS_TOO), normed=True)
    give_patch_tower(weights, "visual", TOWER, config.vision.layers)
    weights.drop(f"{TOWER}.head.*")
    weights.copy_module("connector", f"{EAGLE}mlp1.0")
    give_head(weights, head.layers, head.reader_layers)
    give_personal(weights, embodiment, config.rows)
    weights.copy("future_tokens", FUTURE)
