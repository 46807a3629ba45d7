# SPDX-License-Identifier: Apache-2.0
"""A GR00T N1.7 network as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs
from quantvla_ros.models.groot_n17.head import TimeConstants
from quantvla_ros.models.groot_n17.network import Context, GrootN17, Places
from quantvla_ros.models.groot_n17.vision import patch_pixels

OLDEST_TENSORRT = (10, 8)
"""Of the backbone's engine. Source: Isaac-GR00T, deployment of GR00T N1.7."""

_PARTS = {
    "visual": "vision",
    "language_model": "language",
    "dit": "head",
    "action_": "head",
    "": "reader",
}
_PLACES = (
    ("patch_cos", "patch_sin"),
    ("cos", "sin"),
    ("causal",),
    ("there",),
)
_CONTEXT = ("pixels", "state", "tokens", *(name for names in _PLACES for name in names))


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
        pairs = self.network.memory(features, there)
        flat = (tensor.contiguous() for pair in pairs for tensor in pair)
        return (self.network.state_features(state), *flat)


class _Step(nn.Module):
    def __init__(self, network: GrootN17) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        x_t: Tensor,
        rows: Tensor,
        modulation: Tensor,
        text_bias: Tensor,
        state: Tensor,
        *pairs: Tensor,
    ) -> Tensor:
        memory = list(zip(pairs[::2], pairs[1::2], strict=True))
        constants = TimeConstants(rows, modulation)
        return self.network.step(x_t, constants, Context(state, memory, text_bias))


def graphs(network: nn.Module) -> Graphs:
    """Both graphs; context gives the state's token and keys and values of every second block."""
    assert isinstance(network, GrootN17)
    blocks = range(0, network.config.head.layers, 2)
    pairs = tuple(f"{kind}_{number}" for number in blocks for kind in ("key", "value"))

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        places = network.places(inputs["token_mask"])
        made = (*places.patches, *places.tokens, places.causal, places.there)
        context = {
            "pixels": patch_pixels(inputs["patches"]),
            "state": inputs["state"],
            "tokens": inputs["tokens"].to(torch.int32),
            # Tables that were looked up have strides that a builder refuses.
            **{n: t.contiguous() for n, t in zip(_CONTEXT[3:], made, strict=True)},
        }
        return HostInputs(context, {"text_bias": places.text})

    def time(t: Tensor) -> dict[str, Tensor]:
        constants = network.time_constants(t)
        return {"rows": constants.rows, "modulation": constants.modulation}

    step = (NOISY_CHUNK, "rows", "modulation", "text_bias", "state_token", *pairs)
    context = Graph(
        _Context(network), _CONTEXT, ("state_token", *pairs), "reader", tensorrt=OLDEST_TENSORRT
    )
    return Graphs(
        context=context,
        step=Graph(_Step(network), step, (VELOCITY,), "head"),
        host=host,
        time=time,
        parts=_PARTS,
    )
