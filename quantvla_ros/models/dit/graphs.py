# SPDX-License-Identifier: Apache-2.0
"""What the two graphs of every network of this form share (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from quantvla_ros.models.dit.head import TimeConstants
from quantvla_ros.models.dit.network import Context, DiTNetwork
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph

PARTS = {
    "visual": "vision",
    "language_model": "language",
    "dit": "head",
    "action_": "head",
    "": "reader",
}
BIAS, STATE = "memory_bias", "state_tokens"


class Step(nn.Module):
    """The half that is run once a step of the flow."""

    def __init__(self, network: DiTNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        x_t: Tensor,
        rows: Tensor,
        modulation: Tensor,
        bias: Tensor,
        state: Tensor,
        *pairs: Tensor,
    ) -> Tensor:
        """Velocity [1, rows, actions] (see `DiTNetwork.step`)."""
        memory = list(zip(pairs[::2], pairs[1::2], strict=True))
        constants = TimeConstants(rows, modulation)
        return self.network.step(x_t, constants, Context(state, memory, bias))


def context_names(network: DiTNetwork) -> tuple[str, ...]:
    """Names of what the context graph gives: the state's tokens, keys and values."""
    blocks = range(0, network.config.head.layers, 2)
    return (STATE, *(f"{kind}_{number}" for number in blocks for kind in ("key", "value")))


def context_outputs(
    network: DiTNetwork, features: Tensor, there: Tensor, state: Tensor
) -> tuple[Tensor, ...]:
    """These, of the language model's last states (see `DiTNetwork.read`) and the state [1, n]."""
    pairs = network.memory(features, there)
    flat = (tensor.contiguous() for pair in pairs for tensor in pair)
    return (network.state_tokens(state), *flat)


def step_graph(network: DiTNetwork) -> Graph:
    """The half that is run once a step."""
    inputs = (NOISY_CHUNK, "rows", "modulation", BIAS, *context_names(network))
    return Graph(Step(network), inputs, (VELOCITY,), "head")


def time_inputs(network: DiTNetwork) -> Callable[[Tensor], dict[str, Tensor]]:
    """What a flow time [1] gives the step."""

    def given(t: Tensor) -> dict[str, Tensor]:
        constants = network.time_constants(t)
        return {"rows": constants.rows, "modulation": constants.modulation}

    return given
