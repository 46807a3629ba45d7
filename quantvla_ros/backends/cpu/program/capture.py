# SPDX-License-Identifier: Apache-2.0
"""From a network to the steps of its program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from quantvla_ros.backends.cpu.engine.library import Engine
from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.exported import plain_graph
from quantvla_ros.backends.cpu.program.linear_table import LinearTable
from quantvla_ros.backends.cpu.program.lowering import Lowering, Tapes
from quantvla_ros.backends.cpu.program.patterns import fuse
from quantvla_ros.backends.cpu.program.steps import Level, Memory
from quantvla_ros.backends.cpu.program.weights import Weights
from quantvla_ros.models.graphs import NOISY_CHUNK, Graph, Graphs
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers

Layers = Sequence[tuple[str, QuantizedLinear]]


@dataclass(frozen=True)
class Program:
    """A policy's steps, on tensors that have no memory yet.

    Attributes:
        memory: of these tensors.
        tapes: steps by level.
        weights: all constants.
        context: inputs of the context graph, by name.
        step: inputs of the step graph that it does not make: the host's, a flow time's, the chunk.
        velocity: the one result.
        integer_layers: how many the network has.
    """

    memory: Memory
    tapes: Tapes
    weights: Weights
    context: Mapping[str, Tensor]
    step: Mapping[str, Tensor]
    velocity: Tensor
    integer_layers: int


def capture(
    network: nn.Module, graphs: Graphs, example: Mapping[str, Tensor], noise: Tensor, engine: Engine
) -> Program:
    """Export both graphs and lower them; the network stays as it is.

    Args:
        network: with quantized layers or without.
        graphs: of it.
        example: inputs of the network (see `Network.encode`) in all shapes and types.
        noise: [1, horizon, actions].
        engine: that will run it.

    Raises:
        BackendError: the processor does not multiply a layer's integers exactly.
    """
    memory, weights = Memory(), Weights(engine)
    tapes: Tapes = {level: [] for level in Level}
    host = graphs.host(example)
    given = tuple(host.context[name] for name in graphs.context.inputs)
    places = [memory.new(t.shape, Level.CHUNK, t.dtype) for t in given]
    read = dict(zip(graphs.context.inputs, places, strict=True))
    lowering = Lowering(memory, tapes, weights)
    made = dict(
        zip(
            graphs.context.outputs,
            _lower(network, graphs.context, given, places, lowering),
            strict=True,
        )
    )
    times = graphs.time(torch.ones(1))
    own: dict[str, Tensor] = {}
    for level, tensors in (
        (Level.STEP, {NOISY_CHUNK: noise}), (Level.TIME, times), (Level.CHUNK, host.step),
    ):  # fmt: skip
        own |= {name: memory.new(t.shape, level, t.dtype) for name, t in tensors.items()}
    shapes = {name: torch.zeros(tensor.shape) for name, tensor in made.items()}
    known = {NOISY_CHUNK: noise, **times, **host.step, **shapes}
    step = tuple(known[name] for name in graphs.step.inputs)
    values = [made[name] if name in made else own[name] for name in graphs.step.inputs]
    (velocity,) = _lower(network, graphs.step, step, values, Lowering(memory, tapes, weights))
    count = len(quantized_layers(network))
    return Program(memory, tapes, weights, read, own, velocity, count)


def _lower(
    network: nn.Module,
    graph: Graph,
    example: tuple[Tensor, ...],
    inputs: Sequence[Tensor],
    lowering: Lowering,
) -> list[Tensor]:
    """Fuse a graph and lower it; returns the values of its outputs."""
    plain = plain_graph(network, graph, example)
    constants = Constants(plain)
    table = LinearTable(list(quantized_layers(network).items()), constants)
    fuse(plain.graph, constants, table)
    return lowering.run(plain.graph, constants, table, inputs)
