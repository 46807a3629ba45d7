# SPDX-License-Identifier: Apache-2.0
"""What an exported graph holds: names, shapes and types of its tensors, and its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import Node


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
    """Of a graph of `export_graphs`: what a runtime will look for."""
    nodes = {node.name: node for node in program.graph.nodes}
    inputs = {name: _of_node(nodes[name]) for name in program.graph_signature.user_inputs}
    (outputs,) = program.graph.output_node().args
    return Tensors(inputs, dict(zip(output_names(program), map(_of_node, outputs), strict=True)))


def weights(program: ExportedProgram) -> list[torch.Tensor]:
    """All weights and constants, each once."""
    held = [*program.state_dict.values(), *program.constants.values()]
    return list({id(t): t for t in held if isinstance(t, torch.Tensor)}.values())


def weight_bytes(program: ExportedProgram) -> int:
    """Bytes of all weights and constants."""
    return sum(tensor.nbytes for tensor in weights(program))


def _of_node(node: Node) -> TensorSpec:
    value = node.meta["val"]
    return TensorSpec(tuple(value.shape), value.dtype)
