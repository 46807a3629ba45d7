# SPDX-License-Identifier: Apache-2.0
"""The network as two graphs; what keeps the head from an absent camera is made on the host."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from outside_family.network import ReachNetwork
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs


class _Context(nn.Module):
    def __init__(self, network: ReachNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, patches: Tensor, state: Tensor, tokens: Tensor, cos: Tensor, sin: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        pairs = self.network.memory(patches, state, tokens, (cos, sin), bias)
        return tuple(tensor.contiguous() for pair in pairs for tensor in pair)


class _Step(nn.Module):
    def __init__(self, network: ReachNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, time: Tensor, bias: Tensor, *pairs: Tensor) -> Tensor:
        return self.network.refine(x_t, time, list(zip(pairs[::2], pairs[1::2], strict=True)), bias)


def graphs(network: nn.Module) -> Graphs:
    """Both graphs; context gives the head's keys and values, layer by layer."""
    assert isinstance(network, ReachNetwork)
    layers = range(network.config.head_layers)
    pairs = tuple(f"{kind}_{i}" for i in layers for kind in ("key", "value"))

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        (cos, sin), bias = network.places(inputs)
        context = {
            "patches": network.cut(inputs["images"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
            "cos": cos,
            "sin": sin,
            "bias": bias,
        }
        return HostInputs(context, {"memory_bias": bias})

    context = ("patches", "state", "tokens", "cos", "sin", "bias")
    step = (NOISY_CHUNK, "time", "memory_bias", *pairs)
    return Graphs(
        context=Graph(_Context(network), context, pairs, "encoder"),
        step=Graph(_Step(network), step, (VELOCITY,), "head"),
        host=host,
        time=lambda t: {"time": network.time_constants(t)["time"]},
        parts={"head": "head", "into": "head", "out": "head", "": "encoder"},
    )
