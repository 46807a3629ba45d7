# SPDX-License-Identifier: Apache-2.0
"""Start a wide network from a narrow one that computes the same (Chen et al. 2016, Net2Net).

A narrow network trains in a third of the time. Every channel of it becomes two neighbours that
carry the same value; what reads them splits its weight over both. The parts of a split differ by
random amounts that cancel, so the neighbours part as soon as training goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from quantvla_ros.models.mini_pi05.config import MiniPi05Config

DOUBLED = ("width", "mlp", "expert_width", "expert_mlp", "vision_width")
"""Sizes of a configuration that are half as large in the narrow network."""

_SPREAD = 0.5  # of the weights' own spread: a split weight then has that of a fresh wide layer


def halved(config: MiniPi05Config) -> MiniPi05Config:
    """The same network with half the channels; heads and their width stay."""
    halves = {name: getattr(config, name) // 2 for name in DOUBLED}
    first, second = config.stem_channels
    # Of the n periods of the flow time's embedding it has the 1st, 3rd, ... (n - 1)th.
    periods = config.expert_width // 2
    ratio = (config.max_period / config.min_period) ** ((periods - 2) / (periods - 1))
    return config.model_copy(
        update={
            **halves,
            "stem_channels": (first // 2, second // 2),
            "max_period": config.min_period * ratio,
        }
    )


def widen(narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Weights of the wide network.

    Args:
        narrow: state dict of the narrow network, or of heads that read its features.
        wide: state dict of the wide one, for the shapes alone; each axis is as long as in the
            narrow one or twice as long.
        seed: of the random parts.
    """
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in ((name, tensor.shape) for name, tensor in wide.items()):
        weight = narrow[name].float()
        if name.endswith("embed_tokens.weight"):
            weight = weight.repeat_interleave(2, 1) / 2**0.5  # the words are scaled by sqrt(width)
        elif name == "time_mlp_in.weight":
            # Every other period of the wide embedding is one of the narrow one's.
            weight = torch.stack([weight, torch.zeros_like(weight)], dim=2).flatten(1, 2)
            weight = weight.repeat_interleave(2, 0)
        elif weight.ndim in (2, 4):
            weight = _split_inputs(_double(weight, shape, 0), shape, generator)
        else:
            for axis in range(weight.ndim):
                weight = _double(weight, shape, axis)
        if name.startswith("vision_tower.layers.") and ".q_proj." in name:
            weight = weight / 2**0.5  # its heads are twice as wide: logits are scaled by less
        out[name] = weight
    return out


def _double(weight: Tensor, shape: torch.Size, axis: int) -> Tensor:
    return weight if weight.shape[axis] == shape[axis] else weight.repeat_interleave(2, axis)


def _split_inputs(weight: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Split the weight of each input over its two copies; both parts sum to it."""
    if weight.shape[1] == shape[1]:
        return weight
    half = weight / 2
    apart = torch.randn(weight.shape, generator=generator) * weight.std() * _SPREAD
    return torch.stack([half + apart, half - apart], dim=2).flatten(1, 2)
