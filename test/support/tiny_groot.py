# SPDX-License-Identifier: Apache-2.0
"""A tiny random GR00T N1.7 network with two pictures of different shape, and its inputs."""

from __future__ import annotations

from functools import partial

import torch
from support.tiny_dit import ACTIONS, HEAD, LANGUAGE, noise_of, random_network, words_and_state
from support.tiny_dit import FLOW as FLOW

from quantvla_ros.models.groot_n17.config import (
    GrootN17Config,
    HeadSizes,
    LanguageSizes,
    PicturePath,
    VisionSizes,
)
from quantvla_ros.models.groot_n17.family import FAMILY as FAMILY
from quantvla_ros.models.groot_n17.network import GrootN17

TEXT = 12  # tokens, padding included
PICTURES, UNLISTED = "patches", {"visual.merger.norm"}
"""The input of pixels; the norm whose output is put together four by four."""
GROUPS = 3 + 2 * 3 + 1 + 2 + 2
"""Siblings: of vision, language, reader, own and read tokens."""
CONFIG = GrootN17Config(
    vision=VisionSizes(width=32, layers=3, heads=2, mlp=64, deepstack=(0, 1)),
    language=LanguageSizes(**LANGUAGE, rope_theta=5e6, sections=(4, 2, 2)),
    head=HeadSizes(**HEAD, text_every=2),
    grids=((4, 4), (2, 6)),
    lead=3,
    **ACTIONS,
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
tiny_network, noise = partial(random_network, GrootN17, CONFIG), partial(noise_of, CONFIG)


def network_inputs(seed: int = 0, words: int = 5) -> dict[str, torch.Tensor]:
    """Inputs of `GrootN17.encode`, batch of one; the text holds `words` of its own."""
    generator = torch.Generator().manual_seed(seed)
    patches = sum(rows * columns for rows, columns in CONFIG.grids)
    pixels = torch.randint(0, 256, (1, patches, 768), generator=generator)
    told = words_and_state(CONFIG, TEXT, CONFIG.lead + 3 + words, generator)
    return {"patches": pixels.byte(), **told}
