# SPDX-License-Identifier: Apache-2.0
"""A tiny random GR00T N1.7 network with two pictures of different shape, and its inputs."""

from __future__ import annotations

import torch

from quantvla_ros.models.flow import Flow
from quantvla_ros.models.groot_n17.config import (
    GrootN17Config,
    HeadSizes,
    LanguageSizes,
    PicturePath,
    VisionSizes,
)
from quantvla_ros.models.groot_n17.family import FAMILY as FAMILY
from quantvla_ros.models.groot_n17.network import GrootN17

FLOW = Flow(4, noise_time=0.0, action_time=1.0)
TEXT = 12  # tokens, padding included
PICTURES, UNLISTED = "patches", {"visual.merger.norm"}
"""The input of pixels; the norm whose output is put together four by four."""
GROUPS = 3 + 2 * 3 + 1 + 2 + 2
"""Siblings: of vision, language, reader, own and read tokens."""
CONFIG = GrootN17Config(
    vision=VisionSizes(width=32, layers=3, heads=2, mlp=64, deepstack=(0, 1)),
    language=LanguageSizes(
        vocabulary=50,
        width=32,
        layers=3,
        heads=4,
        kv_heads=2,
        head_width=16,
        mlp=64,
        rope_theta=5e6,
        sections=(4, 2, 2),
    ),
    head=HeadSizes(
        layers=4,
        heads=2,
        head_width=16,
        mlp=64,
        output=24,
        hidden=20,
        reader_layers=1,
        reader_heads=2,
        reader_mlp=64,
        text_every=2,
        buckets=1000,
    ),
    grids=((4, 4), (2, 6)),
    lead=3,
    state_width=6,
    action_width=5,
    rows=7,
    pictures=PicturePath(
        method="resize",
        letter_box=False,
        edge=64,
        target=(64, 64),
        crop=0.9,
        fewest=64,
        most=1 << 20,
    ),
    formalize=True,
)


def tiny_network(seed: int = 0) -> GrootN17:
    """Random weights; norms differ from their neutral gains."""
    torch.manual_seed(seed)
    network = GrootN17(CONFIG).eval().requires_grad_(False)
    for name, tensor in network.named_parameters():
        if "norm" in name or "vlln" in name:
            tensor.add_(0.2 * torch.randn_like(tensor))
    return network


def network_inputs(seed: int = 0, words: int = 5) -> dict[str, torch.Tensor]:
    """Inputs of `GrootN17.encode`, batch of one; the text holds `words` of its own."""
    generator = torch.Generator().manual_seed(seed)
    patches = sum(rows * columns for rows, columns in CONFIG.grids)
    length = CONFIG.lead + 3 + words
    mask = torch.arange(TEXT)[None] < length
    tokens = torch.randint(1, 50, (1, TEXT), generator=generator) * mask
    return {
        "patches": torch.randint(0, 256, (1, patches, 768), generator=generator).byte(),
        "state": torch.randn(1, CONFIG.state_width, generator=generator),
        "tokens": tokens,
        "token_mask": mask,
    }


def noise(seed: int = 0) -> torch.Tensor:
    """Where the flow begins."""
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(1, CONFIG.rows, CONFIG.action_width, generator=generator)
