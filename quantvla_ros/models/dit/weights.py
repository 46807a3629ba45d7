# SPDX-License-Identifier: Apache-2.0
"""From the tensors of a published checkpoint to those of language model and head.

Nearly all are renamed. Of the embodiments' linears the chosen one is taken, and turned to the order
of `nn.Linear`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from quantvla_ros.checkpoints.weights import Weights

HEAD = "action_head."
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


def copy_modules(weights: Weights, own: str, source: str, names: Mapping[str, str]) -> None:
    """Give modules, by their name below `source` and below `own`."""
    for old, new in names.items():
        weights.copy_module(f"{own}.{new}", f"{source}.{old}")


def give_language(
    weights: Weights, source: str, layers: int, words: tuple[str, str], normed: bool
) -> None:
    """Say where the language model's tensors come from; nothing is read.

    Args:
        weights: of the checkpoint.
        source: what stands in front of its names.
        layers: that the head needs; those behind are left out.
        words: the table of words and its twin; a checkpoint holds one of them, or both alike.
        normed: see `LanguageModel`.
    """
    weights.copy("language_model.embed_tokens.weight", weights.first(*words))
    if normed:
        weights.copy("language_model.norm.weight", f"{source}norm.weight")
    weights.drop(*words, f"{source}norm.weight")
    weights.drop(*(f"{source}layers.{n}.*" for n in range(layers, MOST_LAYERS)))
    leaves = [f"self_attn.{part}_proj" for part in "qkvo"]
    leaves += [f"self_attn.{part}_norm" for part in "qk"]
    leaves += [f"mlp.{part}_proj" for part in ("gate", "up", "down")]
    leaves += ["input_layernorm", "post_attention_layernorm"]
    for number in range(layers):
        for leaf in leaves:
            name = f"layers.{number}.{leaf}.weight"
            weights.copy(f"language_model.{name}", f"{source}{name}")


def give_head(weights: Weights, layers: int, reader_layers: int) -> None:
    """Say the same of reader and diffusion transformer."""
    model = f"{HEAD}model."
    attention = {f"attn1.{old}": f"self_attn.{new}" for old, new in _PROJECTIONS.items()}
    for number in range(reader_layers):
        block = f"{HEAD}vl_self_attention.transformer_blocks.{number}"
        names = {"norm1": "norm1", "norm3": "norm2", **_FEED_FORWARD, **attention}
        copy_modules(weights, f"reader.{number}", block, names)
    width = weights.shape(f"{model}proj_out_2.weight")[1]
    attention = {f"attn1.{old}": f"attn.{new}" for old, new in _PROJECTIONS.items()}
    for number in range(layers):
        block, own = f"{model}transformer_blocks.{number}", f"dit.blocks.{number}"
        names = {"norm1.linear": "norm1.dense", **_FEED_FORWARD, **attention}
        copy_modules(weights, own, block, names)
        # The published norm has no gain of its own; see `DiTBlock`.
        weights.make(f"{own}.norm2.weight", (), lambda: torch.ones(width))
        weights.make(f"{own}.norm2.bias", (), lambda: torch.zeros(width))
    embedder = f"{model}timestep_encoder.timestep_embedder"
    copy_modules(weights, "dit", embedder, {"linear_1": "time1", "linear_2": "time2"})
    outward = {"model.proj_out_1": "dit.norm_out.dense", "model.proj_out_2": "dit.proj_out"}
    for old, new in {**outward, "vlln": "vlln"}.items():
        weights.copy_module(new, f"{HEAD}{old}")


def give_personal(weights: Weights, embodiment: int, rows: int) -> None:
    """Say the same of the chosen embodiment's linears and of the places of a chunk's rows."""
    for source, name in PERSONAL.items():
        weights.make(f"{name}.weight", (f"{HEAD}{source}.W",), _turned(embodiment))
        weights.make(f"{name}.bias", (f"{HEAD}{source}.b",), lambda t: t[embodiment].clone())
    place = f"{HEAD}position_embedding.weight"
    weights.make("position_embedding", (place,), lambda t: t[:rows].clone())


def _turned(embodiment: int) -> Callable[[Tensor], Tensor]:
    return lambda stacked: stacked[embodiment].T.contiguous()
