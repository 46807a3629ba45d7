# SPDX-License-Identifier: Apache-2.0
"""What the two graphs of every network of this form share (see `models.graphs`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from quantvla_ros.models.dit.head import TimeConstants
from quantvla_ros.models.dit.network import Context, DiTNetwork
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs, HostInputs

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


def context_outputs(
    network: DiTNetwork, features: Tensor, there: Tensor, state: Tensor
) -> tuple[Tensor, ...]:
    """These, of the language model's last states (see `DiTNetwork.read`) and the state [1, n]."""
    pairs = network.memory(features, there)
    flat = (tensor.contiguous() for pair in pairs for tensor in pair)
    return (network.state_tokens(state), *flat)


def both_graphs(
    network: DiTNetwork,
    context: nn.Module,
    inputs: tuple[str, ...],
    host: Callable[[Mapping[str, Tensor]], HostInputs],
    parts: Mapping[str, str] = PARTS,
    tensorrt: tuple[int, int] | None = None,
) -> Graphs:
    """Both graphs; context gives the state's tokens and keys and values of every second block.

    Args:
        network: whole.
        context: module of the half that is run once a chunk; returns `context_outputs`.
        inputs: names of its inputs.
        host: see `Graphs`.
        parts: see `Graphs`.
        tensorrt: of the context, see `Graph`.
    """
    blocks = range(0, network.config.head.layers, 2)
    made = (STATE, *(f"{kind}_{number}" for number in blocks for kind in ("key", "value")))
    step_inputs = (NOISY_CHUNK, "rows", "modulation", BIAS, *made)

    def time(t: Tensor) -> dict[str, Tensor]:
        constants = network.time_constants(t)
        return {"rows": constants.rows, "modulation": constants.modulation}

    return Graphs(
        context=Graph(context, inputs, made, "reader", tensorrt),
        step=Graph(Step(network), step_inputs, (VELOCITY,), "head"),
        host=host,
        time=time,
        parts=parts,
    )
