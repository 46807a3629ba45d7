# SPDX-License-Identifier: Apache-2.0
"""Bundles of a tiny network with random weights, for any state and actions."""

from __future__ import annotations

from pathlib import Path

from support.spaces import action_space, state_space

from quantvla_ros.robot.action_space import ActionSpace
from quantvla_ros.robot.interface import CameraSlot, Interface, StateSpace

WORDS = ["put", "the", "milk", "in", "basket", "swing"]
HORIZON = 4


def save_untrained(
    path: Path,
    state,
    action,
    action_mean,
    action_std,
    state_mean=None,
    state_std=None,
    horizon=HORIZON,
) -> Path:
    """Write a float bundle.

    Args:
        path: directory.
        state: a `StateSpace`, or groups as `state_space` takes them.
        action: an `ActionSpace`, or groups as `action_space` takes them.
        action_mean: of each action, in the policy's units.
        action_std: the same.
        state_mean: of each state; zeros where not given.
        state_std: the same; ones.
        horizon: steps of a chunk, 0.1 s each.
    """
    import torch

    from quantvla_ros.bundle.schema import Normalization, TokenizerSpec, float_manifest
    from quantvla_ros.bundle.storage import save_bundle
    from quantvla_ros.bundle.tokenizer import build_word_tokenizer
    from quantvla_ros.models.mini_pi05.config import MiniPi05Config
    from quantvla_ros.models.mini_pi05.network import MiniPi05

    state = state if isinstance(state, StateSpace) else state_space(*state)
    action = action if isinstance(action, ActionSpace) else action_space(*action)
    config = MiniPi05Config(
        vocabulary=len(WORDS) + 2,
        cameras=2,
        image_size=48,
        state_width=state.width,
        action_width=action.width,
        horizon=horizon,
        width=64,
        layers=2,
        heads=2,
        kv_heads=1,
        head_width=32,
        mlp=128,
        expert_width=64,
        expert_mlp=128,
        vision_width=64,
        vision_heads=2,
        stem_channels=(16, 32),
    )
    torch.manual_seed(0)
    network = MiniPi05(config)
    manifest = float_manifest(
        "mini_pi05",
        config.model_dump(mode="json"),
        Interface(
            cameras=tuple(CameraSlot(name, 48, 48) for name in ("front", "wrist")),
            state=state,
            action=action,
            dt=0.1,
            horizon=horizon,
        ),
        Normalization(
            state_mean=state_mean or [0.0] * state.size,
            state_std=state_std or [1.0] * state.size,
            action_mean=[action_mean] * horizon,
            action_std=[action_std] * horizon,
        ),
        denoise_steps=2,
        tokenizer=TokenizerSpec(max_length=8),
    )
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    return save_bundle(path, manifest, tensors, build_word_tokenizer(WORDS))
