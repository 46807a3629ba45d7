# SPDX-License-Identifier: Apache-2.0
"""A SmolVLA network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs
from quantvla_ros.models.smolvla.expert import ActionPlaces
from quantvla_ros.models.smolvla.network import SmolVLA

_PARTS = {
    "pictures": "vision",
    "text_model": "language",
    "state_proj": "language",
    "lm_expert": "expert",
    "action_": "expert",
    "time_": "expert",
}
_CONTEXT = ("images", "state", "tokens", "cos", "sin", "bias")
_PLACES = ("behind_cos", "behind_sin", "zero_cos", "zero_sin", "joint_bias", "context_bias")


class _Context(nn.Module):
    def __init__(self, network: SmolVLA) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, images: Tensor, state: Tensor, tokens: Tensor, cos: Tensor, sin: Tensor, bias: Tensor
    ) -> tuple[Tensor, ...]:
        x = self.network.tokens(images, state, tokens)
        keys, values, _ = self.network.read_tokens(x, (cos, sin), bias)
        return tuple(tensor.contiguous() for tensor in (*keys, *values))


class _Step(nn.Module):
    def __init__(self, network: SmolVLA) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, time: Tensor, *given: Tensor) -> Tensor:
        places, pairs = given[: len(_PLACES)], given[len(_PLACES) :]
        behind, zero, (joint, context) = places[:2], places[2:4], places[4:]
        count = len(pairs) // 2
        keys, values = pairs[:count], pairs[count:]
        where = ActionPlaces((behind[0], behind[1]), (zero[0], zero[1]), joint, context)
        return self.network.refine(x_t, time, where, keys, values)


def graphs(network: nn.Module) -> Graphs:
    """Both graphs; context gives a layer's keys "key_0" and values "value_0" [1, G, P, E]."""
    assert isinstance(network, SmolVLA)
    layers = range(network.config.layers)
    pairs = tuple(f"{kind}_{i}" for kind in ("key", "value") for i in layers)

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        mask = network.token_mask(inputs)
        table, bias = network.token_places(mask)
        places = network.action_places(mask)
        context = (
            inputs["images"],
            inputs["state"],
            inputs["tokens"].to(torch.int32),
            *table,
            bias,
        )
        step = (*places.behind_context, *places.from_zero, places.joint_bias, places.context_bias)
        return HostInputs(
            dict(zip(_CONTEXT, context, strict=True)), dict(zip(_PLACES, step, strict=True))
        )

    return Graphs(
        context=Graph(_Context(network), _CONTEXT, pairs, "language"),
        step=Graph(_Step(network), (NOISY_CHUNK, "time", *_PLACES, *pairs), (VELOCITY,), "expert"),
        host=host,
        time=lambda t: {"time": network.time_constants(t)},
        parts=_PARTS,
    )
