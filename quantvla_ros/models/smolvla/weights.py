# SPDX-License-Identifier: Apache-2.0
"""The network's tensors by the names that LeRobot gives them.

Source: LeRobot 0.6.1, policies/smolvla/{modeling_smolvla,smolvlm_with_expert}.py; 0.4.4 has the
same 500 names.
"""

from __future__ import annotations

from typing import Any

from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.patch_tower import give_patch_tower
from quantvla_ros.models.smolvla.config import SmolVLAConfig

_PREFIX = "model."
_VLM = "vlm_with_expert.vlm.model"
_VISION, _TEXT = f"{_VLM}.vision_model", f"{_VLM}.text_model"
_EXPERT = "vlm_with_expert.lm_expert"
_HEAD = "vlm_with_expert.vlm.lm_head.weight"
_TABLE = f"{_TEXT}.embed_tokens.weight"
_MLP = ("gate_proj", "up_proj", "down_proj")
_NORMS = ("input_layernorm", "post_attention_layernorm")
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def sizes_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The sizes that can be read off the tensors.

    Raises:
        CheckpointError: one of the tensors is missing.
    """
    found = Weights(checkpoint, _PREFIX)
    table = found.first(_TABLE, _HEAD)
    expert = f"{_EXPERT}.layers.0.mlp.gate_proj.weight"
    vision = f"{_VISION}.encoder.layers"
    return {
        "vocabulary": found.shape(table)[0],
        "width": found.shape(table)[1],
        "layers": found.layers(f"{_TEXT}.layers"),
        "mlp": found.shape(f"{_TEXT}.layers.0.mlp.gate_proj.weight")[0],
        "expert_width": found.shape(expert)[1],
        "expert_mlp": found.shape(expert)[0],
        "vision_width": found.shape(f"{vision}.0.mlp.fc1.weight")[1],
        "vision_layers": found.layers(vision),
        "vision_mlp": found.shape(f"{vision}.0.mlp.fc1.weight")[0],
        "patch": found.shape(f"{_VISION}.embeddings.patch_embedding.weight")[-1],
        "state_width": found.shape("state_proj.weight")[1],
        "action_width": found.shape("action_in_proj.weight")[1],
    }


def network_weights(checkpoint: Checkpoint, config: SmolVLAConfig) -> Weights:
    """Every tensor of the network; what inference never uses is dropped.

    That is the output layer over words, which is as large as the word table, and the language
    model's last norm, behind which only it stands.
    """
    out = Weights(checkpoint, _PREFIX)
    out.copy("text_model.embed_tokens.weight", out.first(_TABLE, _HEAD))
    out.drop(_HEAD, f"{_TEXT}.norm.weight")
    _add_pictures(out, config)
    for index in range(config.layers):
        own, theirs = f"text_model.layers.{index}", f"{_TEXT}.layers.{index}"
        _add_layer(out, own, theirs, "self_attn")
        kind = "self_attn" if config.attends_to_actions(index) else "cross_attn"
        _add_layer(out, f"lm_expert.layers.{index}", f"{_EXPERT}.layers.{index}", kind)
    out.copy("lm_expert.norm.weight", f"{_EXPERT}.norm.weight")
    for name in ("state_proj", "action_in_proj", "action_out_proj", "action_time_mlp_out"):
        out.copy_module(name, name)
    joined, width = "action_time_mlp_in", config.expert_width
    out.make("action_mlp_in.weight", (f"{joined}.weight",), lambda both: both[:, :width])
    out.make("time_mlp_in.weight", (f"{joined}.weight",), lambda both: both[:, width:])
    out.copy("time_mlp_in.bias", f"{joined}.bias")
    return out


def _add_pictures(out: Weights, config: SmolVLAConfig) -> None:
    give_patch_tower(out, "pictures.vision_model", _VISION, config.vision_layers)
    connector = f"{_VLM}.connector.modality_projection.proj.weight"
    out.copy("pictures.connector.proj.weight", connector)


def _add_layer(out: Weights, own: str, theirs: str, attention: str) -> None:
    """A layer of the language model or the expert: no biases, plain gains."""
    for part in _ATTENTION:
        out.copy(f"{own}.{attention}.{part}.weight", f"{theirs}.self_attn.{part}.weight")
    for part in _MLP:
        out.copy(f"{own}.mlp.{part}.weight", f"{theirs}.mlp.{part}.weight")
    for part in _NORMS:
        out.copy(f"{own}.{part}.weight", f"{theirs}.{part}.weight")
