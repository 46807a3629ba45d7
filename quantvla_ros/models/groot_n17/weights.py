# SPDX-License-Identifier: Apache-2.0
"""From the tensors of a published checkpoint to those of `GrootN17`.

Besides what `dit.weights` does: the vision tower's fused queries, keys and values are split, its
patch convolution becomes a linear of patches, and its learned positions are interpolated to the
cameras' grids. The language model's head and last norm, which inference never calls, are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.weights import (
    copy_modules,
    give_head,
    give_language,
    give_personal,
)
from quantvla_ros.models.groot_n17.config import GrootN17Config
from quantvla_ros.models.groot_n17.vision import interpolated_positions

LANGUAGE, VISUAL = "backbone.model.model.language_model.", "backbone.model.model.visual."
WORDS, WORDS_TOO = f"{LANGUAGE}embed_tokens.weight", "backbone.model.lm_head.weight"
"""The table of words and its twin: a checkpoint holds one of them, or both alike."""


def give_weights(weights: Weights, config: GrootN17Config, embodiment: int) -> None:
    """Say where every tensor of the network comes from; nothing is read."""
    layers, head = config.language.layers, config.head
    give_language(weights, LANGUAGE, layers, (WORDS, WORDS_TOO), normed=False)
    _give_vision(weights, config)
    give_head(weights, head.layers, head.reader_layers)
    give_personal(weights, embodiment, config.rows)


def _give_vision(weights: Weights, config: GrootN17Config) -> None:
    grids = config.grids

    def interpolated(table: Tensor) -> Tensor:
        return torch.cat([interpolated_positions(table, grid) for grid in grids])

    proj = f"{VISUAL}patch_embed.proj"
    weights.make("visual.patch_embed.weight", (f"{proj}.weight",), lambda t: t.flatten(1))
    weights.copy("visual.patch_embed.bias", f"{proj}.bias")
    weights.make("visual.positions", (f"{VISUAL}pos_embed.weight",), interpolated)
    renamed = {
        "norm1": "norm1",
        "attn.proj": "self_attn.o_proj",
        "norm2": "norm2",
        "mlp.linear_fc1": "fc1",
        "mlp.linear_fc2": "fc2",
    }
    for number in range(config.vision.layers):
        block, own = f"{VISUAL}blocks.{number}", f"visual.blocks.{number}"
        copy_modules(weights, own, block, renamed)
        for place, part in enumerate("qkv"):
            for kind in ("weight", "bias"):
                name = f"{own}.self_attn.{part}_proj.{kind}"
                weights.make(name, (f"{block}.attn.qkv.{kind}",), _third(place))
    merger = {"norm": "norm", "linear_fc1": "fc1", "linear_fc2": "fc2"}
    copy_modules(weights, "visual.merger", f"{VISUAL}merger", merger)
    for number in range(len(config.vision.deepstack)):
        source = f"{VISUAL}deepstack_merger_list.{number}"
        copy_modules(weights, f"visual.deepstack.{number}", source, merger)


def _third(place: int) -> Callable[[Tensor], Tensor]:
    return lambda fused: fused.chunk(3)[place]
