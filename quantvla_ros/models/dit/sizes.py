# SPDX-License-Identifier: Apache-2.0
"""Sizes of the parts that every network of this form has; published names in brackets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.dit.weights import HEAD


class Sizes(BaseModel):
    """Base of all."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LanguageSizes(Sizes):
    """The language model up to the layer that the head reads."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    rope_theta: float


class HeadSizes(Sizes):
    """The action head.

    `hidden` is the width of the embodiment's own linears, `output` the diffusion transformer's
    last [output_dim]. `buckets` of flow time there are in 0..1.
    """

    layers: int
    heads: int
    head_width: int
    mlp: int
    output: int
    hidden: int
    reader_layers: int
    reader_heads: int
    reader_mlp: int
    buckets: int

    @property
    def width(self) -> int:
        """Of a token."""
        return self.heads * self.head_width


class DiTConfig(Sizes):
    """What the architecture of every family of this form has.

    Attributes:
        language: model.
        head: of actions.
        state_width: columns of the state that the network takes.
        action_width: columns of its chunk.
        rows: of its chunk.
    """

    language: LanguageSizes
    head: HeadSizes
    state_width: int
    action_width: int
    rows: int


def language_sizes(weights: Weights, stack: str, words: str, rope_theta: float) -> dict[str, Any]:
    """Fields of `LanguageSizes`, by the shapes of the checkpoint's tensors.

    Args:
        weights: of the checkpoint.
        stack: name of its layers.
        words: name of its table of words.
        rope_theta: base of the rotary frequencies.
    """
    vocabulary, width = weights.shape(words)
    attention = f"{stack}.0.self_attn"
    head_width = weights.shape(f"{attention}.q_norm.weight")[0]
    return {
        "vocabulary": vocabulary,
        "width": width,
        "layers": weights.layers(stack),
        "heads": weights.shape(f"{attention}.q_proj.weight")[0] // head_width,
        "kv_heads": weights.shape(f"{attention}.k_proj.weight")[0] // head_width,
        "head_width": head_width,
        "mlp": weights.shape(f"{stack}.0.mlp.gate_proj.weight")[0],
        "rope_theta": rope_theta,
    }


def head_sizes(weights: Weights, told: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `HeadSizes`, by the tensors and by what no tensor tells.

    Args:
        weights: of the checkpoint.
        told: the fields of NVIDIA's config.json that describe the action head.
    """
    reader = f"{HEAD}vl_self_attention.transformer_blocks"
    block = f"{HEAD}model.transformer_blocks"
    width = weights.shape(f"{HEAD}model.proj_out_2.weight")[1]
    heads = told["diffusion_model_cfg"]["num_attention_heads"]
    layers = weights.layers(reader)
    reader_mlp = f"{reader}.0.ff.net.0.proj.weight"
    return {
        "layers": weights.layers(block),
        "heads": heads,
        "head_width": width // heads,
        "mlp": weights.shape(f"{block}.0.ff.net.0.proj.weight")[0],
        "output": weights.shape(f"{HEAD}model.proj_out_2.weight")[0],
        "hidden": weights.shape(f"{HEAD}action_decoder.layer1.b")[1],
        "reader_layers": layers,
        "reader_heads": told["vl_self_attention_cfg"]["num_attention_heads"] if layers else 1,
        "reader_mlp": weights.shape(reader_mlp)[0] if layers else 0,
        "buckets": told["num_timestep_buckets"],
    }


def spaces_of(weights: Weights) -> dict[str, int]:
    """Widths of the state and of the actions that the network takes."""
    return {
        "state_width": weights.shape(f"{HEAD}state_encoder.layer1.W")[1],
        "action_width": weights.shape(f"{HEAD}action_encoder.W1.W")[1],
    }


def check_sizes(where: str, weights: Weights, config: DiTConfig, tag: str, number: int) -> None:
    """Refuse what no tensor's shape would show.

    Args:
        where: the checkpoint, for the sentence.
        weights: of it.
        config: as it was understood.
        tag: name of the chosen embodiment.
        number: of it.

    Raises:
        CheckpointError: says what does not fit.
    """
    heads, width = config.head.heads, weights.shape(f"{HEAD}model.proj_out_2.weight")[1]
    readers, count = config.head.reader_heads, weights.shape(f"{HEAD}state_encoder.layer1.b")[0]
    if width % heads or config.language.width % readers:
        raise CheckpointError(
            f"{where} has blocks of {width} columns for {heads} heads and a reader of "
            f"{config.language.width} for {readers}, which do not divide; give the network's "
            "sizes with --sizes FILE"
        )
    if number >= count:
        raise CheckpointError(
            f"{where} has {count} embodiments, and '{tag}' is number {number}; choose another one "
            "with --embodiment TAG"
        )
