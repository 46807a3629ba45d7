# SPDX-License-Identifier: Apache-2.0
"""A tiny random GR00T N1.5 network with two pictures, and its inputs."""

from __future__ import annotations

import torch

from quantvla_ros.models.dit.sizes import HeadSizes, LanguageSizes
from quantvla_ros.models.flow import Flow
from quantvla_ros.models.groot_n15.config import GrootN15Config, VisionSizes
from quantvla_ros.models.groot_n15.family import FAMILY as FAMILY
from quantvla_ros.models.groot_n15.network import GrootN15

FLOW = Flow(4, noise_time=0.0, action_time=1.0)
TEXT = 14  # tokens, padding included
PICTURES, UNLISTED = "pictures", {"language_model.norm"}
"""The input of pixels; the norm that no linear reads."""
GROUPS = 2 + 2 * 3 + 1 + 2 + 2
"""Siblings: of vision, language, reader, own and read tokens."""
CONFIG = GrootN15Config(
    vision=VisionSizes(image_size=28, patch=14, width=32, layers=2, heads=2, mlp=64),
    language=LanguageSizes(
        vocabulary=50, width=32, layers=3, heads=4, kv_heads=2, head_width=16, mlp=64,
        rope_theta=1e6,
    ),
    head=HeadSizes(
        layers=4, heads=2, head_width=16, mlp=64, output=24, hidden=20, reader_layers=1,
        reader_heads=2, reader_mlp=64, buckets=1000,
    ),
    cameras=2, lead=3, between=(3,), future=4, state_width=6, action_width=5, rows=7,
    origin="lerobot",
)  # fmt: skip


def tiny_network(seed: int = 0) -> GrootN15:
    """Random weights; norms differ from their neutral gains."""
    torch.manual_seed(seed)
    network = GrootN15(CONFIG).eval().requires_grad_(False)
    for name, tensor in network.named_parameters():
        if "norm" in name or "vlln" in name:
            tensor.add_(0.2 * torch.randn_like(tensor))
    return network


def network_inputs(seed: int = 0, words: int = 5) -> dict[str, torch.Tensor]:
    """Inputs of `GrootN15.encode`, batch of one; the text holds `words` of its own."""
    generator = torch.Generator().manual_seed(seed)
    length = CONFIG.lead + sum(CONFIG.between) + 1 + words
    mask = torch.arange(TEXT)[None] < length
    pictures = torch.randint(0, 256, (1, CONFIG.cameras, 3, 28, 28), generator=generator)
    return {
        "pictures": pictures.byte(),
        "state": torch.randn(1, CONFIG.state_width, generator=generator),
        "tokens": torch.randint(1, 50, (1, TEXT), generator=generator) * mask,
        "token_mask": mask,
    }


def noise(seed: int = 0) -> torch.Tensor:
    """Where the flow begins."""
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(1, CONFIG.rows, CONFIG.action_width, generator=generator)
