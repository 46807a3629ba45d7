# SPDX-License-Identifier: Apache-2.0
"""Both graphs as a network that is ready to run, whatever computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from quantvla_ros.backends.runner import is_integer
from quantvla_ros.errors import BackendError
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graphs

Half: TypeAlias = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Computes a graph: its inputs by name, and perhaps more, to its outputs by name."""


class GraphRunner:
    """Runs the context once an observation and the step once a flow time (see `Runner`)."""

    device = "cpu"
    loading_ms = (0.0, 0.0)

    def __init__(
        self, network: nn.Module, graphs: Graphs, context: Half, step: Half, kernel: str
    ) -> None:
        """Take both halves.

        Args:
            network: of the graphs; its layers say how many bytes the graphs hold.
            graphs: description of the network.
            context: computes the context graph.
            step: computes the step graph.
            kernel: what multiplies, for records.
        """
        self.kernel = kernel
        self.integer_layers = sum(is_integer(module) for module in network.modules())
        self._network, self._graphs = network, graphs
        self._context, self._step = context, step
        self._constants: dict[float, dict[str, Tensor]] = {}

    def encode(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Runner`; the context holds all inputs of the step that stay for a chunk."""
        host = self._graphs.host(inputs)
        _check_finite("was given", {**host.context, **host.step})
        context = {**host.step, **self._context(host.context)}
        _check_finite("computed", context)
        return context

    def velocity(self, x_t: Tensor, time: float, context: Mapping[str, Tensor]) -> Tensor:
        """See `Runner`."""
        if time not in self._constants:
            self._constants[time] = self._graphs.time(torch.tensor([time]))
        _check_finite("was given", {NOISY_CHUNK: x_t})
        velocity = self._step({NOISY_CHUNK: x_t, **self._constants[time], **context})[VELOCITY]
        _check_finite("computed", {VELOCITY: velocity})
        return velocity

    def weight_bytes(self) -> int:
        """See `Runner`: of the network's tensors as the graphs hold them."""
        return _bytes_in_graphs(self._network)

    def layer_bytes(self, names: Sequence[str]) -> int:
        """See `Runner`."""
        return sum(_bytes_in_graphs(self._network.get_submodule(name)) for name in names)


def _bytes_in_graphs(module: nn.Module) -> int:
    """Every float takes 32 bits there, whatever the network stores it in."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(4 * t.numel() if t.is_floating_point() else t.nbytes for t in tensors)


def _check_finite(what: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse NaN and inf: quantized, they would be integers like others, and nobody would see it.

    Raises:
        BackendError: names the tensors.
    """
    floats = ((name, value) for name, value in tensors.items() if value.is_floating_point())
    broken = [name for name, value in floats if not bool(value.isfinite().all())]
    if broken:
        raise BackendError(f"the policy {what} NaN or inf in '{broken[0]}'")
