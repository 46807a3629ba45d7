# SPDX-License-Identifier: Apache-2.0
"""From a bundle's network to the two exported graphs that builders take."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.export import ExportedProgram

from quantvla_ros.backends.graphs.constants import tensor_hash
from quantvla_ros.backends.graphs.lowering import lower
from quantvla_ros.backends.graphs.qdq import explicit_qdq
from quantvla_ros.bundle.storage import Bundle
from quantvla_ros.errors import BackendError
from quantvla_ros.models.families import find_family
from quantvla_ros.models.family import Network
from quantvla_ros.models.graphs import NOISY_CHUNK, VELOCITY, Graph, Graphs
from quantvla_ros.processing.processing import blank_observation


def graphs_of(bundle: Bundle, network: Network) -> Graphs:
    """The family's description of the network.

    Raises:
        BackendError: the family has none.
    """
    family = find_family(bundle.manifest.family)
    if family.graphs is None:
        raise BackendError(
            f"the model family '{family.name}' does not describe its networks as graphs for "
            "engines; choose another backend"
        )
    return family.graphs(network)


def export_graphs(
    bundle: Bundle, network: Network, precision: Mapping[str, torch.dtype]
) -> dict[str, ExportedProgram]:
    """Export "context" and "step" with Q/DQ at the integer layers.

    Inputs are positional and named as `Graph.inputs`; what comes out is a dict with the names and
    the order of `Graph.outputs`. Inputs from the host and the velocity are float32 (or int32); what
    context hands to step is of the kind of the step's part.

    Args:
        bundle: what the network was made of.
        network: float, or with quantized layers as TensorRT computes them; not changed.
        precision: kind of float of each part (see `precision.choose_precision`).

    Raises:
        BackendError: the family does not describe its graphs.
    """
    graphs = graphs_of(bundle, network)
    between = precision[graphs.step.part]
    kinds = {
        "context": dict.fromkeys(graphs.context.outputs, between),
        "step": {VELOCITY: torch.float32},
    }
    found = {}
    with torch.no_grad(), explicit_qdq(network):
        for name, (graph, inputs) in example_inputs(bundle, graphs).items():
            exact = export_graph(graph, inputs)
            given = tuple(
                value.to(between) if one in graphs.context.outputs else value
                for one, value in zip(graph.inputs, inputs, strict=True)
            )
            found[name] = lower(exact, given, graph, graphs, precision, kinds[name])
    return found


def example_inputs(bundle: Bundle, graphs: Graphs) -> dict[str, tuple[Graph, tuple[Tensor, ...]]]:
    """Both graphs, each with inputs of the right shapes and types, of an empty observation."""
    manifest = bundle.manifest
    processing = find_family(manifest.family).processing(manifest, bundle.tokenizer)
    values = processing.inputs(blank_observation(manifest.interface))
    host = graphs.host({name: torch.from_numpy(value)[None] for name, value in values.items()})
    context = tuple(host.context[name] for name in graphs.context.inputs)
    step = {
        NOISY_CHUNK: torch.zeros(1, *manifest.noise_shape),
        **graphs.time(torch.ones(1)),
        **host.step,
        **graphs.context.named(graphs.context.module(*context)),
    }
    return {
        "context": (graphs.context, context),
        "step": (graphs.step, tuple(step[name] for name in graphs.step.inputs)),
    }


def export_graph(graph: Graph, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    """A graph as it stands, in float32: the same numbers as the network's, to the last bit."""
    with warnings.catch_warnings():
        # What torch's export deprecates within itself is no news to our users.
        warnings.simplefilter("ignore", FutureWarning)
        return torch.export.export(graph.module.eval(), inputs, strict=False)


def graph_hash(program: ExportedProgram) -> str:
    """Hash of all operators and constants of a graph, hex."""
    digest = hashlib.sha256()
    for node in program.graph.nodes:
        digest.update(f"{node.op} {node.name} {node.target} {node.args} {node.kwargs}\n".encode())
    constants = {**program.state_dict, **program.constants}
    for name, value in sorted(constants.items()):
        line = f"{name} {value.dtype} {tuple(value.shape)} {tensor_hash(value)}\n"
        digest.update(line.encode())
    return digest.hexdigest()
