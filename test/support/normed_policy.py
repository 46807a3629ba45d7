# SPDX-License-Identifier: Apache-2.0
"""The tiny policy with a norm on the queries and own keys of its expert (QK-norm)."""

from __future__ import annotations

from pathlib import Path

import torch
from support.tiny_policy import CONFIG, WORDS, tiny_manifest, tiny_network

from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.models.mini_pi05.network import MiniPi05


def normed_network(kind):
    """The weights of `tiny_network`, and gains around 1 for the norms; None for no norm."""
    plain = tiny_network()
    network = MiniPi05(CONFIG.model_copy(update={"qk_norm": kind})).eval().requires_grad_(False)
    network.load_state_dict(plain.state_dict(), strict=False)
    for name, gain in network.named_parameters():
        if "_norm." in name and ".self_attn." in name:
            gain.copy_(1.0 + 0.5 * torch.rand_like(gain))
    return network


def save_normed_bundle(path: Path, kind: str) -> Path:
    network = normed_network(kind)
    architecture = network.config.model_dump(mode="json")
    manifest = tiny_manifest().model_copy(update={"architecture": architecture})
    tensors = {name: value.half() for name, value in network.state_dict().items()}
    return save_bundle(path, manifest, tensors, build_word_tokenizer(WORDS))
