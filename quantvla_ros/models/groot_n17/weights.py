# SPDX-License-Identifier: Apache-2.0
"""From the tensors of a published checkpoint to those of `GrootN17`.

Renamed: nearly all. Split: the vision tower's fused queries, keys and values. Flattened: its patch
convolution, which is a linear of patches. Interpolated: its learned positions, to the cameras'
grids. Of the embodiments' linears the chosen one is taken, and turned to the order of `nn.Linear`.
Left out: the language model's head and last norm, which inference never calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.groot_n17.config import GrootN17Config
from quantvla_ros.models.groot_n17.vision import interpolated_positions

LANGUAGE, VISUAL = "backbone.model.model.language_model.", "backbone.model.model.visual."
HEAD = "action_head."
WORDS, WORDS_TOO = f"{LANGUAGE}embed_tokens.weight", "backbone.model.lm_head.weight"
"""The table of words and its twin: a checkpoint holds one of them, or both alike."""
MOST_LAYERS = 100
"""More than any language model has; those behind the one that the head reads are left out."""
PERSONAL = {
    "state_encoder.layer1": "state_encoder.fc1",
    "state_encoder.layer2": "state_encoder.fc2",
    "action_encoder.W1": "action_encoder.fc1",
    "action_encoder.W2": "action_encoder.fc2",
    "action_encoder.W3": "action_encoder.fc3",
    "action_decoder.layer1": "action_decoder.fc1",
    "action_decoder.layer2": "action_decoder.fc2",
}
"""Linears of which each embodiment has its own: W [embodiments, in, out] and b."""

_FEED_FORWARD = {"ff.net.0.proj": "fc1", "ff.net.2": "fc2"}
_PROJECTIONS = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out.0": "o_proj"}


def give_weights(weights: Weights, config: GrootN17Config, embodiment: int) -> None:
    """Say where every tensor of the network comes from; nothing is read."""
    weights.copy("language_model.embed_tokens.weight", weights.first(WORDS, WORDS_TOO))
    weights.drop(WORDS, WORDS_TOO, f"{LANGUAGE}norm.weight")
    weights.drop(*(f"{LANGUAGE}layers.{n}.*" for n in range(config.language.layers, MOST_LAYERS)))
    _give_language(weights, config)
    _give_vision(weights, config)
    _give_head(weights, config)
    for source, name in PERSONAL.items():
        weights.make(f"{name}.weight", (f"{HEAD}{source}.W",), _turned(embodiment))
        weights.make(f"{name}.bias", (f"{HEAD}{source}.b",), lambda t: t[embodiment].clone())
    place = f"{HEAD}position_embedding.weight"
    weights.make("position_embedding", (place,), lambda t: t[: config.rows].clone())


def _turned(embodiment: int) -> Callable[[Tensor], Tensor]:
    return lambda stacked: stacked[embodiment].T.contiguous()


def _copy(weights: Weights, own: str, source: str, names: Mapping[str, str]) -> None:
    """Modules, by their name below `source` and below `own`."""
    for old, new in names.items():
        weights.copy_module(f"{own}.{new}", f"{source}.{old}")


def _give_language(weights: Weights, config: GrootN17Config) -> None:
    leaves = [f"self_attn.{part}_proj" for part in "qkvo"]
    leaves += [f"self_attn.{part}_norm" for part in "qk"]
    leaves += [f"mlp.{part}_proj" for part in ("gate", "up", "down")]
    leaves += ["input_layernorm", "post_attention_layernorm"]
    for number in range(config.language.layers):
        for leaf in leaves:
            name = f"layers.{number}.{leaf}.weight"
            weights.copy(f"language_model.{name}", f"{LANGUAGE}{name}")


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
        _copy(weights, own, block, renamed)
        for place, part in enumerate("qkv"):
            for kind in ("weight", "bias"):
                name = f"{own}.self_attn.{part}_proj.{kind}"
                weights.make(name, (f"{block}.attn.qkv.{kind}",), _third(place))
    merger = {"norm": "norm", "linear_fc1": "fc1", "linear_fc2": "fc2"}
    _copy(weights, "visual.merger", f"{VISUAL}merger", merger)
    for number in range(len(config.vision.deepstack)):
        source = f"{VISUAL}deepstack_merger_list.{number}"
        _copy(weights, f"visual.deepstack.{number}", source, merger)


def _third(place: int) -> Callable[[Tensor], Tensor]:
    return lambda fused: fused.chunk(3)[place]


def _give_head(weights: Weights, config: GrootN17Config) -> None:
    head, model = config.head, f"{HEAD}model."
    attention = {f"attn1.{old}": f"self_attn.{new}" for old, new in _PROJECTIONS.items()}
    for number in range(head.reader_layers):
        block = f"{HEAD}vl_self_attention.transformer_blocks.{number}"
        names = {"norm1": "norm1", "norm3": "norm2", **_FEED_FORWARD, **attention}
        _copy(weights, f"reader.{number}", block, names)
    attention = {f"attn1.{old}": f"attn.{new}" for old, new in _PROJECTIONS.items()}
    for number in range(head.layers):
        block, own = f"{model}transformer_blocks.{number}", f"dit.blocks.{number}"
        _copy(weights, own, block, {"norm1.linear": "norm1.dense", **_FEED_FORWARD, **attention})
        # The published norm has no gain of its own; see `DiTBlock`.
        weights.make(f"{own}.norm2.weight", (), lambda: torch.ones(head.width))
        weights.make(f"{own}.norm2.bias", (), lambda: torch.zeros(head.width))
    embedder = f"{model}timestep_encoder.timestep_embedder"
    _copy(weights, "dit", embedder, {"linear_1": "time1", "linear_2": "time2"})
    outward = {"model.proj_out_1": "dit.norm_out.dense", "model.proj_out_2": "dit.proj_out"}
    for old, new in {**outward, "vlln": "vlln"}.items():
        weights.copy_module(new, f"{HEAD}{old}")
