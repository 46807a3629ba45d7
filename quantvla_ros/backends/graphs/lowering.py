# SPDX-License-Identifier: Apache-2.0
"""Writes an exact graph again in the arithmetic of an engine.

Every operator gets the kind of float of its part, and is told so by explicit casts, as strongly
typed networks want it. Sums of norms and softmax stay in float32. Attention becomes two products
around a softmax: TensorRT fuses these itself, and its own operator for attention is missing in old
versions and wrong in one.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from quantvla_ros.backends.graphs.arithmetic import CHECK, WIDE, Arithmetic
from quantvla_ros.backends.graphs.constants import attribute, fold_constants
from quantvla_ros.errors import BackendError
from quantvla_ros.models.graphs import Graph, Graphs


def lower(
    program: ExportedProgram,
    inputs: tuple[Tensor, ...],
    graph: Graph,
    graphs: Graphs,
    precision: Mapping[str, torch.dtype],
    outputs: Mapping[str, torch.dtype],
) -> ExportedProgram:
    """A graph with the kind of float of each part.

    Args:
        program: of `export_graph`.
        inputs: of the shapes and kinds that the graph shall take.
        graph: that it was exported from.
        graphs: the description that the graph belongs to.
        precision: kind of float of each part.
        outputs: kind of each output, in order.
    """
    module = plain_module(program)
    kinds = {
        node: precision[graphs.part_of(_module_of(node), graph.part)]
        for node in module.graph.nodes
        if node.op == "call_function"
    }
    fold_constants(module)
    lowered = _Lowered(module, kinds, graph.inputs, outputs).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.export.export(lowered, inputs, strict=False)


def plain_module(program: ExportedProgram) -> fx.GraphModule:
    """The graph with its parameters as attributes, without checks of its inputs."""
    unlift: Callable[..., Any] = program.module
    newer = "check_guards" in inspect.signature(unlift).parameters
    module = unlift(check_guards=False) if newer else unlift()
    assert isinstance(module, fx.GraphModule)
    return module


def _module_of(node: fx.Node) -> str:
    """Name in the network of the innermost module that a node was called in."""
    stack = node.meta.get("nn_module_stack") or {}
    path = str(list(stack.values())[-1][0]) if stack else ""
    return path.partition("network")[2].lstrip(".")


class _Lowered(nn.Module):
    """Runs a graph with casts between its nodes; exporting it writes them down."""

    def __init__(
        self,
        module: fx.GraphModule,
        kinds: Mapping[fx.Node, torch.dtype],
        inputs: tuple[str, ...],
        outputs: Mapping[str, torch.dtype],
    ) -> None:
        super().__init__()
        self._nodes, self._kinds, self._outputs = list(module.graph.nodes), kinds, outputs
        for node in self._nodes:
            if node.op == "get_attr":
                value = attribute(module, node.target)
                for kind in {self._constant_kind(user) for user in node.users if user in kinds}:
                    self.register_buffer(_name(node, kind), _constant(value, kind))

        def forward(*values: Tensor) -> dict[str, Tensor]:
            return self._run(values)

        # `torch.export` takes the inputs' names from here.
        place = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(name, place) for name in inputs]
        forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        self.forward = forward

    def _constant_kind(self, user: fx.Node) -> torch.dtype:
        """What a node's constants are kept in: scales and what norms read stay float32."""
        return torch.float32 if user.target in WIDE else self._kinds[user]

    def _run(self, values: tuple[Tensor, ...]) -> dict[str, Tensor]:
        arithmetic, given, results = Arithmetic(), iter(values), {}
        for node in self._nodes:
            if node.op == "placeholder":
                results[node] = next(given)
            elif node.op == "call_function" and node.target is not CHECK:
                constants = self._constant_kind(node)

                def operand(source: fx.Node, kind: torch.dtype = constants) -> Any:
                    constant = source.op == "get_attr"
                    return getattr(self, _name(source, kind)) if constant else results[source]

                args, kwargs = fx.node.map_arg((node.args, node.kwargs), operand)
                results[node] = arithmetic.node(node.target, args, kwargs, self._kinds[node])
        flat = [results[source] for source in self._nodes[-1].all_input_nodes]
        pairs = zip(self._outputs.items(), flat, strict=True)
        return {name: arithmetic.cast(value, kind) for (name, kind), value in pairs}


def _constant(value: Tensor, kind: torch.dtype) -> Tensor:
    """A constant in a kind of float; one of integers as it is.

    Raises:
        BackendError: the kind cannot hold it.
    """
    if not value.is_floating_point():
        return value
    cast = value.to(kind)
    if not bool(cast.isfinite().all()):
        raise BackendError(
            f"a weight is as large as {float(value.abs().max()):.4g}, which "
            f"{str(kind).removeprefix('torch.')} cannot hold; choose `--precision bf16`"
        )
    return cast


def _name(node: fx.Node, kind: torch.dtype) -> str:
    return f"{str(node.target).replace('.', '_')}_{str(kind).removeprefix('torch.')}"
