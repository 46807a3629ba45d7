# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.7 network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.dit.graphs import BIAS, both_graphs, context_outputs
from quantvla_ros.models.graphs import Graphs, HostInputs
from quantvla_ros.models.groot_n17.network import GrootN17, Places
from quantvla_ros.models.groot_n17.vision import patch_pixels

OLDEST_TENSORRT = (10, 8)
"""Of the backbone's engine. Source: Isaac-GR00T, deployment of GR00T N1.7."""

_PLACES = ("patch_cos", "patch_sin", "cos", "sin", "causal", "there")
_CONTEXT = ("pixels", "state", "tokens", *_PLACES)


class _Context(nn.Module):
    def __init__(self, network: GrootN17) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, pixels: Tensor, state: Tensor, tokens: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        patch_cos, patch_sin, cos, sin, causal, there = given
        places = Places((patch_cos, patch_sin), (cos, sin), causal, there, there)
        features = self.network.features(pixels, tokens, places)
        return context_outputs(self.network, features, there, state)


def graphs(network: nn.Module) -> Graphs:
    """See `both_graphs`."""
    assert isinstance(network, GrootN17)

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        places = network.places(inputs["token_mask"])
        made = (*places.patches, *places.tokens, places.causal, places.there)
        context = {
            "pixels": patch_pixels(inputs["patches"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
            # Tables that were looked up have strides that a builder refuses.
            **{n: t.contiguous() for n, t in zip(_PLACES, made, strict=True)},
        }
        return HostInputs(context, {BIAS: places.text})

    return both_graphs(network, _Context(network), _CONTEXT, host, tensorrt=OLDEST_TENSORRT)
