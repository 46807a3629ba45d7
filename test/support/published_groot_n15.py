# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of all tensors of nvidia/GR00T-N1.5-3B, without their values.

From the public code on torch's meta device (lerobot 0.4.4): 899 tensors with the twin of the word
table, 2,413,522,880 parameters without it.
"""

from __future__ import annotations

from pathlib import Path

from support.published_groot import (
    Shape,
    head_shapes,
    language_shapes,
    linear_shapes,
    norm_shapes,
)

from quantvla_ros.checkpoints.checkpoint import Checkpoint

PARAMETERS, TENSORS = 2_413_522_880, 899
EAGLE = "backbone.eagle_model."
LANGUAGE, TOWER = f"{EAGLE}language_model.", f"{EAGLE}vision_model.vision_model."
WORDS, WORDS_TOO = 151680, f"{LANGUAGE}lm_head.weight"


def _vision():
    found = {f"{TOWER}embeddings.patch_embedding.weight": (1152, 3, 14, 14)}
    found |= {f"{TOWER}embeddings.patch_embedding.bias": (1152,)}
    found |= {f"{TOWER}embeddings.position_embedding.weight": (256, 1152)}
    for n in range(27):
        layer = f"{TOWER}encoder.layers.{n}."
        found |= norm_shapes(f"{layer}layer_norm1", 1152) | norm_shapes(f"{layer}layer_norm2", 1152)
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= linear_shapes(f"{layer}self_attn.{part}", 1152, 1152)
        found |= linear_shapes(f"{layer}mlp.fc1", 4304, 1152)
        found |= linear_shapes(f"{layer}mlp.fc2", 1152, 4304)
    head = f"{TOWER}head."
    found |= norm_shapes(f"{TOWER}post_layernorm", 1152) | norm_shapes(f"{head}layernorm", 1152)
    found |= {f"{head}probe": (1, 1, 1152), f"{head}attention.in_proj_weight": (3456, 1152)}
    found |= {f"{head}attention.in_proj_bias": (3456,)}
    found |= linear_shapes(f"{head}attention.out_proj", 1152, 1152)
    found |= linear_shapes(f"{head}mlp.fc1", 4304, 1152)
    found |= linear_shapes(f"{head}mlp.fc2", 1152, 4304)
    return found | linear_shapes(f"{EAGLE}mlp1.0", 2048, 1152)


def published_checkpoint() -> Checkpoint:
    """The checkpoint, opened, in NVIDIA's layout; reading any tensor of it is an error."""
    language = language_shapes(f"{LANGUAGE}model.", WORDS, 12)
    shapes = {**_vision(), **language, **head_shapes(16, 64, 32), WORDS_TOO: (WORDS, 2048)}
    shapes["action_head.future_tokens.weight"] = (32, 1536)
    sources = {name: Shape(shape) for name, shape in shapes.items()}
    return Checkpoint(Path("GR00T-N1.5-3B"), {"model_type": "gr00t_n1_5"}, sources, {}, {})
