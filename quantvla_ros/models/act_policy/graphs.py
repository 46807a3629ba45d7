# SPDX-License-Identifier: Apache-2.0
"""An ACT network as two graphs of fixed shapes (see `models.graphs`); the second one subtracts."""

from __future__ import annotations

from torch import Tensor, nn

from quantvla_ros.models.act_policy.network import ActNetwork
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs

_PARTS = {"backbone": "vision", "picture_proj": "vision"}
_REST = "transformer"


class _Context(nn.Module):
    def __init__(self, network: ActNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, state: Tensor) -> Tensor:
        return self.network.encode({"images": images, "state": state})


class _Step(nn.Module):
    def __init__(self, network: ActNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, chunk: Tensor) -> Tensor:
        return self.network.step(x_t, (), chunk)


def graphs(network: nn.Module) -> Graphs:
    """Both graphs; context gives the chunk."""
    assert isinstance(network, ActNetwork)
    names = ("images", "state")
    return Graphs(
        context=Graph(_Context(network), names, ("chunk",), _REST),
        step=Graph(_Step(network), (NOISY_CHUNK, "chunk"), (VELOCITY,), _REST),
        host=lambda inputs: HostInputs({name: inputs[name] for name in names}, {}),
        time=lambda t: {},
        parts={**_PARTS, "": _REST},
    )
