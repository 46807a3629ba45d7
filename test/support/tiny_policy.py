# SPDX-License-Identifier: Apache-2.0
"""A mini_pi05 policy of a few thousand parameters with random weights, and observations for it."""

from __future__ import annotations

import numpy as np
import torch
from support.spaces import DELTA_ARM, GRIPPER, action_space, state_space

from quantvla_ros.bundle.schema import (
    BundleManifest,
    Normalization,
    TokenizerSpec,
    float_manifest,
)
from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.network import MiniPi05
from quantvla_ros.robot.interface import CameraSlot, Interface
from quantvla_ros.robot.observation import Observation

SIZE, HORIZON, STEPS = 32, 6, 3
FLOW = Flow(STEPS)
JOINTS = ["shoulder", "elbow", "finger"]
GROUPS = (DELTA_ARM, "rad", JOINTS[:2]), (GRIPPER, "m", JOINTS[2:])
WORDS = ["put", "the", "milk", "butter", "in", "basket"]
CONFIG = MiniPi05Config(
    vocabulary=len(WORDS) + 2,
    cameras=2,
    image_size=SIZE,
    state_width=len(JOINTS),
    action_width=len(JOINTS),
    horizon=HORIZON,
    width=32,
    layers=2,
    heads=4,
    kv_heads=2,
    head_width=8,
    mlp=64,
    expert_width=32,
    expert_mlp=64,
    vision_width=16,
    vision_heads=2,
    stem_channels=(8, 8),
)


def tiny_network(seed: int = 0, config: MiniPi05Config = CONFIG) -> MiniPi05:
    """Random weights everywhere, norms and gates included: zeros would hide mistakes."""
    torch.manual_seed(seed)
    network = MiniPi05(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.ndim > 1 else 0.2))
    return network.requires_grad_(False)


def tiny_manifest() -> BundleManifest:
    count = len(JOINTS)
    return float_manifest(
        "mini_pi05",
        CONFIG.model_dump(mode="json"),
        Interface(
            cameras=tuple(CameraSlot(name, SIZE, SIZE) for name in ("front", "wrist")),
            state=state_space(*GROUPS),
            action=action_space(*GROUPS),
            dt=0.1,
            horizon=HORIZON,
        ),
        Normalization(
            state_mean=[0.1] * count,
            state_std=[0.5] * count,
            action_mean=[[0.0, 0.0, 0.02]] * HORIZON,
            action_std=[[0.1, 0.1, 0.02]] * HORIZON,
        ),
        denoise_steps=STEPS,
        tokenizer=TokenizerSpec(max_length=8),
    )


def save_tiny_bundle(path, seed: int = 0):
    tensors = {k: v.half() for k, v in tiny_network(seed).state_dict().items()}
    return save_bundle(path, tiny_manifest(), tensors, build_word_tokenizer(WORDS))


def observations(count: int, seed: int = 0) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [
        Observation(
            images={
                name: rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
                for name in ("front", "wrist")
            },
            joints=rng.normal(0, 0.5, len(JOINTS)).astype(np.float32),
            instruction=f"put the {['milk', 'butter'][index % 2]} in the basket",
            stamp=float(index),
        )
        for index in range(count)
    ]


def network_inputs(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (1, 2, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)
    state = torch.randn(1, len(JOINTS), generator=generator)
    tokens = torch.tensor([[2, 3, 4, 6, 3, 7, 0, 0]])
    return {"images": images, "state": state, "tokens": tokens, "token_mask": tokens > 0}


def noise(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, HORIZON, len(JOINTS), generator=generator)
