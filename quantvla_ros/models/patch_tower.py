# SPDX-License-Identifier: Apache-2.0
"""The tensors of a `PatchTower` by the names that transformers gives a SigLIP tower's."""

from __future__ import annotations

from quantvla_ros.checkpoints.weights import Weights

_PARTS = {
    "layer_norm1": "layer_norm1",
    "layer_norm2": "layer_norm2",
    "self_attn.q_proj": "self_attn.q_proj",
    "self_attn.k_proj": "self_attn.k_proj",
    "self_attn.v_proj": "self_attn.v_proj",
    "self_attn.o_proj": "self_attn.out_proj",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}


def give_patch_tower(weights: Weights, own: str, source: str, layers: int) -> None:
    """Say where the tensors of tower `own` come from: those of the checkpoint's `source`."""
    embeddings = f"{source}.embeddings"
    weights.copy_module(f"{own}.patch_embedding", f"{embeddings}.patch_embedding")
    weights.copy(f"{own}.position_embedding", f"{embeddings}.position_embedding.weight")
    weights.copy_module(f"{own}.post_layernorm", f"{source}.post_layernorm")
    for number in range(layers):
        for ours, theirs in _PARTS.items():
            module = f"{source}.encoder.layers.{number}.{theirs}"
            weights.copy_module(f"{own}.layers.{number}.{ours}", module)
