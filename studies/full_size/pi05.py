# SPDX-License-Identifier: Apache-2.0
"""lerobot/pi05_base without its numbers: 813 tensors, 3,616,757,520 parameters.

Names and shapes were printed by LeRobot 0.4.4 and 0.6.1, which built the published configuration
on the meta device; types are those that LeRobot 0.6 gives a network in bfloat16. LeRobot 0.4
stores the table of words once, as that of the logits; 0.6 stores both.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.models.pi05.config import Pi05Config
from studies.full_size.random_checkpoint import Published

_ALL = "model.paligemma_with_expert"
_GEMMA, _EXPERT = f"{_ALL}.paligemma", f"{_ALL}.gemma_expert"
_NARROW = (f"{_GEMMA}.model.language_model.", f"{_GEMMA}.lm_head", f"{_EXPERT}.")

SIZES = Pi05Config(cameras=3, horizon=50, state_in_prompt=32)

BLOCK = SIZES.model_copy(update={"layers": 2, "vision_layers": 1, "vocabulary": 512})
"""As wide, and only as deep that each kind of block is there once."""

Shapes = dict[str, tuple[int, ...]]


def tensors(sizes: Pi05Config = SIZES, words_twice: bool = False) -> dict[str, Tensor]:
    """Type and shape by name, on the meta device.

    Args:
        sizes: of the network.
        words_twice: whether the table of words is stored beside that of the logits.
    """
    shapes = {**_vision(sizes), **_language(sizes), **_expert(sizes), **_projections(sizes)}
    if not words_twice:
        del shapes[f"{_GEMMA}.model.language_model.embed_tokens.weight"]
    return {
        name: torch.empty(
            shape,
            dtype=torch.bfloat16 if name.startswith(_NARROW) and "norm" not in name
            else torch.float32,
            device="meta",
        )
        for name, shape in shapes.items()
    }  # fmt: skip


def _linear(name: str, out: int, width: int) -> Shapes:
    return {f"{name}.weight": (out, width), f"{name}.bias": (out,)}


def _vision(sizes: Pi05Config) -> Shapes:
    tower, width = f"{_GEMMA}.model.vision_tower.vision_model", sizes.vision_width
    patches = (sizes.image_size // sizes.patch) ** 2
    found: Shapes = {
        f"{tower}.embeddings.patch_embedding.weight": (width, 3, sizes.patch, sizes.patch),
        f"{tower}.embeddings.patch_embedding.bias": (width,),
        f"{tower}.embeddings.position_embedding.weight": (patches, width),
    }
    norms = [f"{tower}.post_layernorm"]
    for index in range(sizes.vision_layers):
        layer = f"{tower}.encoder.layers.{index}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            found |= _linear(f"{layer}.self_attn.{part}", width, width)
        found |= _linear(f"{layer}.mlp.fc1", sizes.vision_mlp, width)
        found |= _linear(f"{layer}.mlp.fc2", width, sizes.vision_mlp)
        norms += [f"{layer}.layer_norm1", f"{layer}.layer_norm2"]
    for norm in norms:
        found |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    return found | _linear(f"{_GEMMA}.model.multi_modal_projector.linear", sizes.width, width)


def _language(sizes: Pi05Config) -> Shapes:
    model, width = f"{_GEMMA}.model.language_model", sizes.width
    found: Shapes = {f"{model}.embed_tokens.weight": (sizes.vocabulary, width)}
    for index in range(sizes.layers):
        layer = f"{model}.layers.{index}"
        found |= _layer(layer, sizes, width, sizes.mlp)
        found |= {f"{layer}.input_layernorm.weight": (width,)}
        found |= {f"{layer}.post_attention_layernorm.weight": (width,)}
    return found | {
        f"{model}.norm.weight": (width,),
        f"{_GEMMA}.lm_head.weight": (sizes.vocabulary, width),
    }


def _expert(sizes: Pi05Config) -> Shapes:
    width = sizes.expert_width
    found: Shapes = {}
    for index in range(sizes.layers):
        layer = f"{_EXPERT}.model.layers.{index}"
        found |= _layer(layer, sizes, width, sizes.expert_mlp)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found |= _linear(f"{layer}.{norm}.dense", 3 * width, width)
    found |= _linear(f"{_EXPERT}.model.norm.dense", 3 * width, width)
    return found | {f"{_EXPERT}.lm_head.weight": (sizes.vocabulary, width)}


def _layer(name: str, sizes: Pi05Config, width: int, mlp: int) -> Shapes:
    query, key = sizes.heads * sizes.head_width, sizes.kv_heads * sizes.head_width
    return {
        f"{name}.self_attn.q_proj.weight": (query, width),
        f"{name}.self_attn.k_proj.weight": (key, width),
        f"{name}.self_attn.v_proj.weight": (key, width),
        f"{name}.self_attn.o_proj.weight": (width, query),
        f"{name}.mlp.gate_proj.weight": (mlp, width),
        f"{name}.mlp.up_proj.weight": (mlp, width),
        f"{name}.mlp.down_proj.weight": (width, mlp),
    }


def _projections(sizes: Pi05Config) -> Shapes:
    expert, actions = sizes.expert_width, sizes.action_width
    return {
        **_linear("model.action_in_proj", expert, actions),
        **_linear("model.action_out_proj", actions, expert),
        **_linear("model.time_mlp_in", expert, expert),
        **_linear("model.time_mlp_out", expert, expert),
    }


_STATES = _ACTIONS = 6
_CAMERAS = ("front", "wrist")
_MODES = {"VISUAL": "IDENTITY", "STATE": "QUANTILES", "ACTION": "QUANTILES"}
_STATE_FILES = (
    "policy_preprocessor_step_3_normalizer_processor.safetensors",
    "policy_postprocessor_step_0_unnormalizer_processor.safetensors",
)
_SPACES: dict[str, dict[str, Any]] = {
    "observation.state": {"type": "STATE", "shape": [_STATES]},
    "action": {"type": "ACTION", "shape": [_ACTIONS]},
}


def _files() -> dict[str, Any]:
    """As LeRobot 0.6 writes them for an SO-101 with two cameras."""
    pictures = {
        f"observation.images.{name}": {"type": "VISUAL", "shape": [3, 480, 640]}
        for name in _CAMERAS
    }
    features, action = {**pictures, **_SPACES}, {"action": _SPACES["action"]}
    config = {
        "type": "pi05",
        "input_features": {k: v for k, v in features.items() if k != "action"},
        "output_features": action,
        "chunk_size": SIZES.horizon,
        "num_inference_steps": 10,
        "max_state_dim": 32,
        "image_resolution": [SIZES.image_size] * 2,
    }
    prompt = {
        "max_length": 200,
        "padding": "max_length",
        "padding_side": "right",
        "tokenizer_name": "google/paligemma-3b-pt-224",
    }
    norm = {"eps": 1e-8, "norm_map": _MODES}
    before: list[tuple[str, dict[str, Any]]] = [
        ("rename_observations_processor", {"rename_map": {}}),
        ("to_batch_processor", {}),
        ("relative_actions_processor", {"enabled": False}),
        ("normalizer_processor", {**norm, "features": features}),
        ("pi05_prepare_state_tokenizer_processor_step", {}),
        ("tokenizer_processor", prompt),
        ("device_processor", {"device": "cpu", "float_dtype": None}),
    ]
    steps: list[dict[str, Any]] = [{"registry_name": n, "config": c} for n, c in before]
    steps[3]["state_file"] = _STATE_FILES[0]
    back = [
        {
            "registry_name": "unnormalizer_processor",
            "config": {**norm, "features": action},
            "state_file": _STATE_FILES[1],
        },
        {"registry_name": "absolute_actions_processor", "config": {"enabled": False}},
    ]
    return {
        "config.json": config,
        "policy_preprocessor.json": {"name": "policy_preprocessor", "steps": steps},
        "policy_postprocessor.json": {"name": "policy_postprocessor", "steps": back},
    }


def _statistics() -> dict[str, dict[str, Tensor]]:
    """Joints from -100 to 100, mostly in the middle third."""
    found: dict[str, Tensor] = {}
    for name, space in _SPACES.items():
        for key, value in (("mean", 0.0), ("std", 30.0), ("q01", -70.0), ("q99", 70.0)):
            found[f"{name}.{key}"] = torch.full(space["shape"], value)
    return dict.fromkeys(_STATE_FILES, found)


PUBLISHED = Published(tensors, _files, _statistics, special=("<pad>", "<eos>", "<bos>", "<unk>"))
PUBLISHED_BLOCK = replace(PUBLISHED, tensors=partial(tensors, BLOCK))
ROBOT = "so101"
