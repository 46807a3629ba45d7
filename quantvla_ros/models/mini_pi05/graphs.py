# SPDX-License-Identifier: Apache-2.0
"""The bundled network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs
from quantvla_ros.models.mini_pi05.network import MiniPi05, scaled_pixels

_PARTS = {
    "vision_tower": "vision",
    "multi_modal_projector": "vision",
    "state_": "language",
    "language_model": "language",
    "action_": "expert",
}


class _Context(nn.Module):
    def __init__(self, network: MiniPi05) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, pixels: Tensor, state: Tensor, tokens: Tensor, cos: Tensor, sin: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        network = self.network
        x = network.tokens(pixels, state, tokens)
        keys, values, _ = network.read_tokens(x, (cos, sin), bias)
        return tuple(tensor.contiguous() for tensor in (*keys, *values))


class _Step(nn.Module):
    def __init__(self, network: MiniPi05) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        x_t: Tensor,
        modulation: Tensor,
        cos: Tensor,
        sin: Tensor,
        bias: Tensor,
        *pairs: Tensor,
    ) -> Tensor:
        count = len(pairs) // 2
        keys, values = pairs[:count], pairs[count:]
        return self.network.refine(x_t, modulation, (cos, sin), bias, keys, values)


def graphs(network: nn.Module) -> Graphs:
    """Both graphs; context gives a layer's keys "key_0" and values "value_0" [1, G, P, E]."""
    assert isinstance(network, MiniPi05)
    config = network.config
    pairs = tuple(f"{kind}_{i}" for kind in ("key", "value") for i in range(config.layers))

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        mask = network.token_mask(inputs["token_mask"])
        (cos, sin), bias = network.token_places(mask)
        (action_cos, action_sin), action_bias = network.action_places(mask, config.horizon)
        context = {
            "pixels": scaled_pixels(inputs["images"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
            "cos": cos,
            "sin": sin,
            "bias": bias,
        }
        step = {"action_cos": action_cos, "action_sin": action_sin, "action_bias": action_bias}
        return HostInputs(context, step)

    def time(t: Tensor) -> dict[str, Tensor]:
        return {"modulation": network.time_constants(t)}

    places = ("action_cos", "action_sin", "action_bias")
    context = ("pixels", "state", "tokens", "cos", "sin", "bias")
    return Graphs(
        context=Graph(_Context(network), context, pairs, "language"),
        step=Graph(
            _Step(network), (NOISY_CHUNK, "modulation", *places, *pairs), (VELOCITY,), "expert"
        ),
        host=host,
        time=time,
        parts=_PARTS,
    )
