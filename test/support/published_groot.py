# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of all tensors of nvidia/GR00T-N1.7-3B, without their values.

From the public code on torch's meta device (lerobot 0.6.1): 1031 tensors with the twin of the word
table, 3,144,016,000 parameters without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from quantvla_ros.checkpoints.checkpoint import Checkpoint

PARAMETERS, TENSORS = 3_144_016_000, 1031
LANGUAGE, VISUAL = "backbone.model.model.language_model.", "backbone.model.model.visual."
WORDS, WORDS_TOO = 151936, "backbone.model.lm_head.weight"
DIT, READER = "action_head.model.", "action_head.vl_self_attention.transformer_blocks."
EMBODIMENTS = 32


@dataclass(frozen=True)
class Shape:
    """A tensor that has no values (see `checkpoints.sources.Source`)."""

    shape: tuple[int, ...]

    def read(self):
        raise AssertionError("nothing may be read")

    def meta(self):
        return torch.empty(self.shape, dtype=torch.bfloat16, device="meta")


def linear_shapes(name, out, columns, bias=True):
    """Of a linear."""
    return {f"{name}.weight": (out, columns), **({f"{name}.bias": (out,)} if bias else {})}


def norm_shapes(name, width):
    """Of a norm with gain and shift."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _vision():
    found = {f"{VISUAL}pos_embed.weight": (2304, 1024)}
    found |= {f"{VISUAL}patch_embed.proj.weight": (1024, 3, 2, 16, 16)}
    found |= {f"{VISUAL}patch_embed.proj.bias": (1024,)}
    for n in range(24):
        block = f"{VISUAL}blocks.{n}."
        found |= norm_shapes(f"{block}norm1", 1024) | norm_shapes(f"{block}norm2", 1024)
        found |= linear_shapes(f"{block}attn.qkv", 3072, 1024) | linear_shapes(
            f"{block}attn.proj", 1024, 1024
        )
        found |= linear_shapes(f"{block}mlp.linear_fc1", 4096, 1024)
        found |= linear_shapes(f"{block}mlp.linear_fc2", 1024, 4096)
    mergers = {"merger": 1024} | {f"deepstack_merger_list.{n}": 4096 for n in range(3)}
    for name, width in mergers.items():
        found |= norm_shapes(f"{VISUAL}{name}.norm", width)
        found |= linear_shapes(f"{VISUAL}{name}.linear_fc1", 4096, 4096)
        found |= linear_shapes(f"{VISUAL}{name}.linear_fc2", 2048, 4096)
    return found


def language_shapes(model, words, layers):
    """Of a Qwen3 model 2048 wide, whose names begin so, with so many words and layers."""
    shapes = {
        "self_attn.q_proj": (2048, 2048),
        "self_attn.k_proj": (1024, 2048),
        "self_attn.v_proj": (1024, 2048),
        "self_attn.o_proj": (2048, 2048),
        "self_attn.q_norm": (128,),
        "self_attn.k_norm": (128,),
        "mlp.gate_proj": (6144, 2048),
        "mlp.up_proj": (6144, 2048),
        "mlp.down_proj": (2048, 6144),
        "input_layernorm": (2048,),
        "post_attention_layernorm": (2048,),
    }
    ends = {f"{model}embed_tokens.weight": (words, 2048), f"{model}norm.weight": (2048,)}
    return ends | {
        f"{model}layers.{n}.{name}.weight": shape
        for n in range(layers)
        for name, shape in shapes.items()
    }


def head_shapes(blocks, states, actions):
    """Of an action head with so many blocks, values of the state and of an action."""
    found = norm_shapes("action_head.vlln", 2048)
    found["action_head.position_embedding.weight"] = (1024, 1536)
    time = f"{DIT}timestep_encoder.timestep_embedder.linear_"
    found |= linear_shapes(f"{time}1", 1536, 256) | linear_shapes(f"{time}2", 1536, 1536)
    for n in range(blocks):
        block = f"{DIT}transformer_blocks.{n}."
        read = 1536 if n % 2 else 2048
        found |= linear_shapes(f"{block}norm1.linear", 3072, 1536)
        found |= linear_shapes(f"{block}attn1.to_q", 1536, 1536)
        found |= linear_shapes(f"{block}attn1.to_k", 1536, read)
        found |= linear_shapes(f"{block}attn1.to_v", 1536, read)
        found |= linear_shapes(f"{block}attn1.to_out.0", 1536, 1536)
        found |= linear_shapes(f"{block}ff.net.0.proj", 6144, 1536)
        found |= linear_shapes(f"{block}ff.net.2", 1536, 6144)
    found |= linear_shapes(f"{DIT}proj_out_1", 3072, 1536) | linear_shapes(
        f"{DIT}proj_out_2", 1024, 1536
    )
    for n in range(4):
        block = f"{READER}{n}."
        found |= norm_shapes(f"{block}norm1", 2048) | norm_shapes(f"{block}norm3", 2048)
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            found |= linear_shapes(f"{block}attn1.{part}", 2048, 2048)
        found |= linear_shapes(f"{block}ff.net.0.proj", 8192, 2048)
        found |= linear_shapes(f"{block}ff.net.2", 2048, 8192)
    personal = {
        "state_encoder.layer1": (states, 1024),
        "state_encoder.layer2": (1024, 1536),
        "action_encoder.W1": (actions, 1536),
        "action_encoder.W2": (3072, 1536),
        "action_encoder.W3": (1536, 1536),
        "action_decoder.layer1": (1024, 1024),
        "action_decoder.layer2": (1024, actions),
    }
    for name, (columns, out) in personal.items():
        found[f"action_head.{name}.W"] = (EMBODIMENTS, columns, out)
        found[f"action_head.{name}.b"] = (EMBODIMENTS, out)
    return found


def published_checkpoint() -> Checkpoint:
    """The checkpoint, opened, in NVIDIA's layout; reading any tensor of it is an error."""
    shapes = {**_vision(), **language_shapes(LANGUAGE, WORDS, 16), **head_shapes(32, 132, 132)}
    shapes[WORDS_TOO] = (WORDS, 2048)
    sources = {name: Shape(shape) for name, shape in shapes.items()}
    config = {"model_type": "Gr00tN1d7", "select_layer": 16}
    return Checkpoint(Path("GR00T-N1.7-3B"), config, sources, {}, {})
