# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.5 network as two graphs of fixed shapes (see `models.graphs`).

NVIDIA's own engines of it run on JetPack 6.2 (Isaac-GR00T n1.5, deployment_scripts/orin), so no
newer TensorRT is asked for than the backend's own.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.dit.graphs import BIAS, PARTS, both_graphs, context_outputs
from quantvla_ros.models.graphs import Graphs, HostInputs
from quantvla_ros.models.groot_n15.network import GrootN15, Places, pixels_of

_CONTEXT = ("pixels", "state", "tokens", "cos", "sin", "causal", "there")


class _Context(nn.Module):
    def __init__(self, network: GrootN15) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, pixels: Tensor, state: Tensor, tokens: Tensor, *given: Tensor
    ) -> tuple[Tensor, ...]:
        cos, sin, causal, there = given
        features = self.network.features(pixels, tokens, Places((cos, sin), causal, there))
        return context_outputs(self.network, features, there, state)


def graphs(network: nn.Module) -> Graphs:
    """See `both_graphs`."""
    assert isinstance(network, GrootN15)

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        places = network.places(inputs["token_mask"])
        context = {
            "pixels": pixels_of(inputs["pictures"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
            "cos": places.tokens[0],
            "sin": places.tokens[1],
            "causal": places.causal,
            "there": places.there,
        }
        return HostInputs(context, {BIAS: places.there})

    parts = {**PARTS, "connector": "vision"}
    return both_graphs(network, _Context(network), _CONTEXT, host, parts)
