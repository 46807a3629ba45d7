# SPDX-License-Identifier: Apache-2.0
"""lerobot/smolvla_base without its numbers: 500 tensors, 450,046,176 parameters.

Names, shapes and order were printed by LeRobot 0.4.4 with transformers 4.57.6, which built the
published configuration on the meta device. Types are those that LeRobot gives a checkpoint with
`load_vlm_weights`: bfloat16 in the vision-language model, float32 in the expert.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from studies.full_size.random_checkpoint import Published

_VLM, _EXPERT = "model.vlm_with_expert.vlm", "model.vlm_with_expert.lm_expert"


def tensors() -> dict[str, Tensor]:
    """Type and shape by name, on the meta device."""
    shapes = {**_vision(), **_language(), **_expert(), **_projections()}
    return {
        name: torch.empty(
            shape,
            dtype=torch.bfloat16 if name.startswith(_VLM) else torch.float32,
            device="meta",
        )
        for name, shape in shapes.items()
    }


Shapes = dict[str, tuple[int, ...]]


def _linear(name: str, out: int, width: int) -> Shapes:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def _gain_and_shift(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _vision() -> Shapes:
    model = f"{_VLM}.model.vision_model"
    found: Shapes = {
        f"{model}.embeddings.patch_embedding.weight": (768, 3, 16, 16),
        f"{model}.embeddings.patch_embedding.bias": (768,),
        f"{model}.embeddings.position_embedding.weight": (1024, 768),
    }
    for index in range(12):
        layer = f"{model}.encoder.layers.{index}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= _linear(f"{layer}.self_attn.{part}", 768, 768)
        found |= _gain_and_shift(f"{layer}.layer_norm1", 768)
        found |= _linear(f"{layer}.mlp.fc1", 3072, 768) | _linear(f"{layer}.mlp.fc2", 768, 3072)
        found |= _gain_and_shift(f"{layer}.layer_norm2", 768)
    found |= _gain_and_shift(f"{model}.post_layernorm", 768)
    found[f"{_VLM}.model.connector.modality_projection.proj.weight"] = (960, 12288)
    return found


def _language() -> Shapes:
    model = f"{_VLM}.model.text_model"
    found: Shapes = {f"{model}.embed_tokens.weight": (49280, 960)}
    for index in range(16):
        found |= _layer(f"{model}.layers.{index}", 960, 2560, kv_width=960)
    return found | {f"{model}.norm.weight": (960,), f"{_VLM}.lm_head.weight": (49280, 960)}


def _expert() -> Shapes:
    found: Shapes = {}
    for index in range(16):
        found |= _layer(f"{_EXPERT}.layers.{index}", 720, 2048, kv_width=320 if index % 2 else 720)
    return found | {f"{_EXPERT}.norm.weight": (720,)}


def _layer(name: str, width: int, mlp: int, kv_width: int) -> Shapes:
    return {
        f"{name}.self_attn.q_proj.weight": (960, width),
        f"{name}.self_attn.k_proj.weight": (320, kv_width),
        f"{name}.self_attn.v_proj.weight": (320, kv_width),
        f"{name}.self_attn.o_proj.weight": (width, 960),
        f"{name}.mlp.gate_proj.weight": (mlp, width),
        f"{name}.mlp.up_proj.weight": (mlp, width),
        f"{name}.mlp.down_proj.weight": (width, mlp),
        f"{name}.input_layernorm.weight": (width,),
        f"{name}.post_attention_layernorm.weight": (width,),
    }


def _projections() -> Shapes:
    return {
        **_linear("model.state_proj", 960, 32),
        **_linear("model.action_in_proj", 720, 32),
        **_linear("model.action_out_proj", 32, 720),
        **_linear("model.action_time_mlp_in", 720, 1440),
        **_linear("model.action_time_mlp_out", 720, 720),
    }


_FEATURES = {"observation.state": ("STATE", [6]), "action": ("ACTION", [6])}
_CAMERAS = ("front", "wrist")
_MODES = {"VISUAL": "IDENTITY", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"}
_STATE_FILES = (
    "policy_preprocessor_step_5_normalizer_processor.safetensors",
    "policy_postprocessor_step_0_unnormalizer_processor.safetensors",
)


def _features() -> dict[str, Any]:
    pictures = {f"observation.images.{name}": ("VISUAL", [3, 480, 640]) for name in _CAMERAS}
    known = {**_FEATURES, **pictures}
    return {name: {"type": kind, "shape": shape} for name, (kind, shape) in known.items()}


def _files() -> dict[str, Any]:
    """As LeRobot 0.6 writes them for an SO-101 with two cameras."""
    features = _features()
    action = {"action": features["action"]}
    config = {
        "type": "smolvla",
        "input_features": {k: v for k, v in features.items() if k != "action"},
        "output_features": action,
        "chunk_size": 50,
        "num_steps": 10,
        "resize_imgs_with_padding": [512, 512],
    }
    prompt = {
        "max_length": 48,
        "padding": "max_length",
        "padding_side": "right",
        "tokenizer_name": "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
    }
    norm = {"eps": 1e-8, "norm_map": _MODES}
    before = [
        ("rename_observations_processor", {"rename_map": {}}),
        ("to_batch_processor", {}),
        ("smolvla_new_line_processor", {}),
        ("tokenizer_processor", prompt),
        ("device_processor", {"device": "cpu", "float_dtype": None}),
        ("normalizer_processor", {**norm, "features": features}),
    ]
    steps = [{"registry_name": name, "config": content} for name, content in before]
    steps[5]["state_file"] = _STATE_FILES[0]
    back = {
        "registry_name": "unnormalizer_processor",
        "config": {**norm, "features": action},
        "state_file": _STATE_FILES[1],
    }
    return {
        "config.json": config,
        "policy_preprocessor.json": {"name": "policy_preprocessor", "steps": steps},
        "policy_postprocessor.json": {"name": "policy_postprocessor", "steps": [back]},
    }


def _statistics() -> dict[str, dict[str, Tensor]]:
    """Joints from -100 to 100, mostly in the middle third."""
    found: dict[str, Tensor] = {}
    for name, (_, shape) in _FEATURES.items():
        found |= {f"{name}.mean": torch.zeros(shape), f"{name}.std": torch.full(shape, 30.0)}
    return dict.fromkeys(_STATE_FILES, found)


PUBLISHED = Published(
    tensors, _files, _statistics, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>")
)
ROBOT = "so101"
