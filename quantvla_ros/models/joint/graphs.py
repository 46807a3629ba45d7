# SPDX-License-Identifier: Apache-2.0
"""Networks of this form as two graphs of fixed shapes (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs
from quantvla_ros.models.joint.network import JointNetwork

Tokens = Callable[..., Tensor]
"""Tokens [1, P, D] of a network's own context inputs, in order."""
HostTokens = Callable[[Mapping[str, Tensor]], tuple[dict[str, Tensor], Tensor]]
"""From the network's inputs to those own context inputs by name, and the tokens' mask [1, P]."""

PLACES = ("cos", "sin", "bias")
PARTS = {
    "vision_tower": "vision",
    "multi_modal_projector": "vision",
    "language_model": "language",
    "action_": "expert",
}


class _Context(nn.Module):
    def __init__(self, network: JointNetwork, tokens: Tokens) -> None:
        super().__init__()
        self.network, self._tokens = network, tokens

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        own, (cos, sin, bias) = inputs[: -len(PLACES)], inputs[-len(PLACES) :]
        keys, values, _ = self.network.read_tokens(self._tokens(*own), (cos, sin), bias)
        return tuple(tensor.contiguous() for tensor in (*keys, *values))


class _Step(nn.Module):
    def __init__(self, network: JointNetwork) -> None:
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


class _Places:
    """What follows from the tokens' mask alone; an instruction keeps it for many chunks."""

    def __init__(self, network: JointNetwork) -> None:
        self._network = network
        self._last: tuple[Tensor, HostInputs] | None = None

    def __call__(self, mask: Tensor) -> HostInputs:
        last = self._last  # read once: another thread may ask for another mask
        if last is None or not torch.equal(last[0], mask):
            last = self._last = mask.clone(), self._of(mask)
        return last[1]

    def _of(self, mask: Tensor) -> HostInputs:
        network = self._network
        token = network.token_places(mask)
        action = network.action_places(mask, network.sizes.horizon)
        context, step = (
            dict(zip(PLACES, (*table, bias), strict=True)) for table, bias in (token, action)
        )
        return HostInputs(context, {f"action_{name}": value for name, value in step.items()})


def joint_graphs(
    network: JointNetwork,
    names: tuple[str, ...],
    tokens: Tokens,
    host_tokens: HostTokens,
    parts: Mapping[str, str] = PARTS,
    no_fp16: Mapping[str, str] | None = None,
) -> Graphs:
    """Both graphs; context gives a layer's keys "key_0" and values "value_0" [1, G, P, E].

    Args:
        network: of any family of this form.
        names: of its own context inputs.
        tokens: see `Tokens`.
        host_tokens: see `HostTokens`.
        parts: see `Graphs`.
        no_fp16: see `Graphs`.
    """
    sizes = network.sizes
    pairs = tuple(f"{kind}_{i}" for kind in ("key", "value") for i in range(sizes.layers))

    known = _Places(network)

    def host(inputs: Mapping[str, Tensor]) -> HostInputs:
        own, mask = host_tokens(inputs)
        places = known(mask)
        return HostInputs({**own, **places.context}, places.step)

    def time(t: Tensor) -> dict[str, Tensor]:
        return {"modulation": network.time_constants(t)}

    step = (NOISY_CHUNK, "modulation", *(f"action_{place}" for place in PLACES), *pairs)
    return Graphs(
        context=Graph(_Context(network, tokens), (*names, *PLACES), pairs, "language"),
        step=Graph(_Step(network), step, (VELOCITY,), "expert"),
        host=host,
        time=time,
        parts=parts,
        no_fp16=no_fp16 or {},
    )
