# SPDX-License-Identifier: Apache-2.0
"""A random policy of SmolVLA's size and random observations for it; for benches, never for a robot.

Its weights mean nothing. Its shapes are those of SmolVLA's language model (16 layers of width 960,
15 heads on 5), action expert (width 720, chunks of 50 in 10 steps) and vision tower (12 layers of
width 768), in the pi0.5 family's form: 64 tokens a camera come from 128 pixels in place of a pixel
shuffle, and the expert's norms are adaptive.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from quantvla_ros.bundle.schema import (
    BundleManifest,
    Normalization,
    TokenizerSpec,
    float_manifest,
)
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.robot.action_space import ActionGroup, ActionSpace
from quantvla_ros.robot.interface import CameraSlot, Interface, StateSpace
from quantvla_ros.robot.observation import Observation
from quantvla_ros.robot.units import entries

JOINTS = [f"joint_{i:02}" for i in range(32)]
CAMERAS = ("front", "wrist", "side")
WORDS = [f"word{i}" for i in range(64)]
TOKENS = 48
DENOISE_STEPS = 10

SMOLVLA_SIZED = MiniPi05Config(
    vocabulary=49280,
    cameras=len(CAMERAS),
    image_size=128,
    state_width=len(JOINTS),
    action_width=len(JOINTS),
    horizon=50,
    width=960,
    layers=16,
    heads=15,
    kv_heads=5,
    head_width=64,
    mlp=2560,
    expert_width=720,
    expert_mlp=2048,
    vision_width=768,
    vision_layers=12,
    vision_heads=12,
    rope_theta=10_000.0,
)

HALF = SMOLVLA_SIZED.model_copy(update={"layers": 8, "vision_layers": 6, "vocabulary": 24640})
"""Half of its layers, in each part."""

TINY = SMOLVLA_SIZED.model_copy(
    update={
        "vocabulary": 66, "image_size": 32, "horizon": 4, "width": 64, "layers": 2, "heads": 4,
        "kv_heads": 2, "head_width": 16, "mlp": 96, "expert_width": 64, "expert_mlp": 96,
        "vision_width": 32, "vision_layers": 1, "vision_heads": 2, "stem_channels": (8, 8),
    }
)  # fmt: skip
"""The same shape, made in a moment: for fuzzing and for tests."""


def save_random_bundle(path: Path, config: MiniPi05Config = SMOLVLA_SIZED) -> int:
    """Write a float bundle with random weights; returns its number of parameters."""
    import torch

    from quantvla_ros.bundle.storage import save_bundle
    from quantvla_ros.bundle.tokenizer import build_word_tokenizer
    from quantvla_ros.models.mini_pi05.network import MiniPi05

    torch.manual_seed(0)
    network = MiniPi05(config)
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    count = sum(parameter.numel() for parameter in network.parameters())
    del network
    save_bundle(path, _manifest(config), tensors, build_word_tokenizer(WORDS))
    return count


def _manifest(config: MiniPi05Config) -> BundleManifest:
    count, joints = len(JOINTS), entries(JOINTS, "rad", "arm")
    size = config.image_size
    return float_manifest(
        "mini_pi05",
        config.model_dump(mode="json"),
        Interface(
            cameras=tuple(CameraSlot(name, size, size) for name in CAMERAS),
            state=StateSpace(joints, count),
            action=ActionSpace((ActionGroup("arm", "arm", "joint_position"),), joints, count),
            dt=0.05,
            horizon=config.horizon,
        ),
        Normalization(
            state_mean=[0.0] * count,
            state_std=[1.0] * count,
            action_mean=[[0.0] * count] * config.horizon,
            action_std=[[0.1] * count] * config.horizon,
        ),
        denoise_steps=DENOISE_STEPS,
        tokenizer=TokenizerSpec(max_length=TOKENS),
    )


def random_observations(
    count: int, image_size: int = SMOLVLA_SIZED.image_size
) -> list[Observation]:
    """Observations with pictures of noise and instructions of `TOKENS` random words."""
    rng = np.random.default_rng(0)
    shape = (image_size, image_size, 3)
    return [
        Observation(
            images={name: rng.integers(0, 256, shape, dtype=np.uint8) for name in CAMERAS},
            joints=rng.normal(0, 1, len(JOINTS)).astype(np.float32),
            instruction=" ".join(rng.choice(WORDS, TOKENS)),
            stamp=float(index),
        )
        for index in range(count)
    ]
