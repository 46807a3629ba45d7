# SPDX-License-Identifier: Apache-2.0
"""A tiny random GR00T N1.5 network with two pictures, and its inputs."""

from __future__ import annotations

from functools import partial

import torch
from support.tiny_dit import ACTIONS, HEAD, LANGUAGE, noise_of, random_network, words_and_state
from support.tiny_dit import FLOW as FLOW

from quantvla_ros.models.dit.sizes import HeadSizes, LanguageSizes
from quantvla_ros.models.groot_n15.config import GrootN15Config, VisionSizes
from quantvla_ros.models.groot_n15.family import FAMILY as FAMILY
from quantvla_ros.models.groot_n15.network import GrootN15

TEXT = 14  # tokens, padding included
PICTURES, UNLISTED = "pictures", {"language_model.norm"}
"""The input of pixels; the norm that no linear reads."""
GROUPS = 2 + 2 * 3 + 1 + 2 + 2
"""Siblings: of vision, language, reader, own and read tokens."""
CONFIG = GrootN15Config(
    vision=VisionSizes(image_size=28, patch=14, width=32, layers=2, heads=2, mlp=64),
    language=LanguageSizes(**LANGUAGE, rope_theta=1e6),
    head=HeadSizes(**HEAD),
    cameras=2,
    lead=3,
    between=(3,),
    future=4,
    **ACTIONS,
    origin="lerobot",
)
tiny_network, noise = partial(random_network, GrootN15, CONFIG), partial(noise_of, CONFIG)


def network_inputs(seed: int = 0, words: int = 5) -> dict[str, torch.Tensor]:
    """Inputs of `GrootN15.encode`, batch of one; the text holds `words` of its own."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (1, CONFIG.cameras, 3, 28, 28), generator=generator)
    length = CONFIG.lead + sum(CONFIG.between) + 1 + words
    return {"pictures": pixels.byte(), **words_and_state(CONFIG, TEXT, length, generator)}
