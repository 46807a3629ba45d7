# SPDX-License-Identifier: Apache-2.0
"""Names, shapes and types of what goes into a graph and comes out, in each form that it takes.

The runtime finds an engine's tensors by their names, and a builder is free to rename them on the
way: so they are looked at before a plan is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from quantvla_ros.errors import BackendError

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node


_KINDS = {
    "FLOAT": torch.float32,
    "HALF": torch.float16,
    "BF16": torch.bfloat16,
    "INT32": torch.int32,
}


class TensorSpec(NamedTuple):
    """Shape and type of an input or output."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class Tensors(NamedTuple):
    """Of a graph, by name and in order."""

    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]


def output_names(program: ExportedProgram) -> list[str]:
    """Names of what a graph of `export_graphs` gives, in order."""
    names: list[str] = program.call_spec.out_spec.context
    return names


def graph_tensors(program: ExportedProgram) -> Tensors:
    """Of a graph of `export_graphs`: what the runtime will look for in its engine."""
    nodes = {node.name: node for node in program.graph.nodes}
    inputs = {name: _of_node(nodes[name]) for name in program.graph_signature.user_inputs}
    (outputs,) = program.graph.output_node().args
    return Tensors(inputs, dict(zip(output_names(program), map(_of_node, outputs), strict=True)))


def network_tensors(network: Any) -> Tensors:
    """Of TensorRT's `INetworkDefinition`, and so of the engine that becomes of it.

    Raises:
        BackendError: see `engine_spec`.
    """

    def all_of(count: int, get: Any) -> dict[str, TensorSpec]:
        tensors = [get(index) for index in range(count)]
        return {t.name: engine_spec(t.name, t.shape, t.dtype) for t in tensors}

    return Tensors(
        all_of(network.num_inputs, network.get_input),
        all_of(network.num_outputs, network.get_output),
    )


def engine_spec(name: str, shape: Any, kind: Any) -> TensorSpec:
    """Of a tensor as TensorRT tells its shape and type.

    Raises:
        BackendError: no graph of ours has that type.
    """
    if kind.name not in _KINDS:
        raise BackendError(
            f"tensor '{name}' of the engine is of type {kind.name}, which no graph of ours has; "
            "build the engines again (`quantvla build --force`)"
        )
    return TensorSpec(tuple(shape), _KINDS[kind.name])


def differences(wanted: Tensors, found: Tensors) -> list[str]:
    """What differs, in words; empty if nothing does."""
    words = []
    for side, one, other in (
        ("input", wanted.inputs, found.inputs),
        ("output", wanted.outputs, found.outputs),
    ):
        words += [f"{side} '{name}' is missing" for name in one if name not in other]
        words += [f"{side} '{name}' is in no graph" for name in other if name not in one]
        words += [
            f"{side} '{name}' is {_told(other[name])} in place of {_told(one[name])}"
            for name in one
            if name in other and one[name] != other[name]
        ]
    return words


def _of_node(node: Node) -> TensorSpec:
    value = node.meta["val"]
    return TensorSpec(tuple(value.shape), value.dtype)


def _told(spec: TensorSpec) -> str:
    return f"{list(spec.shape)} {str(spec.dtype).removeprefix('torch.')}"
