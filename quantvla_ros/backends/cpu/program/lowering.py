# SPDX-License-Identifier: Apache-2.0
"""From the nodes of fused graphs to steps.

Values are tensors of PyTorch's meta device: they have shapes and strides, and PyTorch itself says
what a view of one is. A view costs nothing; what the instructions cannot read as it lies is copied.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.grids import GridForm
from quantvla_ros.backends.cpu.program.linear_table import LinearTable
from quantvla_ros.backends.cpu.program.operations import HANDLERS
from quantvla_ros.backends.cpu.program.patterns.matching import aten, single_user
from quantvla_ros.backends.cpu.program.placing import Placing
from quantvla_ros.backends.cpu.program.steps import Level, Memory, Step, joined
from quantvla_ros.backends.cpu.program.weights import Weights

_MADE = (markers.linear, markers.gated_linear, markers.norm, markers.rotary)
_SAME = (
    aten.view.default,
    aten.reshape.default,
    aten.transpose.int,
    aten.permute.default,
    aten.unsqueeze.default,
)
Tapes = dict[Level, list[Step]]


class Lowering:
    """Lowers one graph; several may share memory, tapes and weights.

    A step goes to the tape of the level of what it reads: what a step graph makes of flow time or
    chunk alone is computed with these.
    """

    def __init__(self, memory: Memory, tapes: Tapes, weights: Weights) -> None:
        self.memory, self.tapes, self.weights = memory, tapes, weights
        self._values: dict[fx.Node, Any] = {}
        self._held: dict[fx.Node, Tensor] = {}
        self.rotated: dict[tuple[fx.Node, int], Tensor] = {}
        self.grids: dict[tuple[fx.Node, GridForm], tuple[Tensor, Tensor]] = {}

    def run(
        self,
        graph: fx.Graph,
        constants: Constants,
        table: LinearTable,
        inputs: Sequence[Tensor],
    ) -> list[Tensor]:
        """Lower a graph that was fused.

        Args:
            graph: of operators and markers.
            constants: of it.
            table: of its linears.
            inputs: values of its placeholders, in order.

        Returns:
            Values of its outputs, in order.
        """
        self.constants, self.table = constants, table
        self.placing = Placing(graph, self.memory, self._levels(graph, inputs))
        given = iter(inputs)
        for node in graph.nodes:
            if node.op == "placeholder":
                self._values[node] = next(given)
            elif node.op == "call_function" and node not in constants:
                self._values[node] = self._call(node)
        outputs = graph.output_node().all_input_nodes
        return [self.value(node) for node in outputs]

    def _levels(self, graph: fx.Graph, inputs: Sequence[Tensor]) -> dict[fx.Node, Level]:
        """How often each node's result is made."""
        levels: dict[fx.Node, Level] = {}
        given = iter(inputs)
        for node in graph.nodes:
            if node.op == "placeholder":
                levels[node] = self.memory.level([next(given)])
            elif node in self.constants:
                levels[node] = Level.CONSTANT
            else:
                levels[node] = joined(levels[source] for source in node.all_input_nodes)
        return levels

    def _call(self, node: fx.Node) -> Any:
        if node.target is operator.getitem:
            source, index = node.args
            return self.value(source)[index]
        handler = HANDLERS.get(node.target)
        if handler is not None:
            return handler(self, node, *node.args, **node.kwargs)
        schema = getattr(node.target, "_schema", None)
        if schema is not None and any(r.alias_info is not None for r in schema.returns):
            return self._view(node)
        return self.by_torch(node)

    def value(self, node: Any) -> Any:
        """What an argument is: tensors for nodes, constants with their memory."""
        if not isinstance(node, fx.Node):
            return fx.node.map_arg(node, self.value) if isinstance(node, list | tuple) else node
        if node not in self.constants:
            return self._values[node]
        if node not in self._held:
            value = self.constants.value(node)
            self._held[node] = self.weights.keep(value)
        return self._held[node]

    def emit(
        self,
        op: str,
        node: fx.Node,
        reads: Mapping[str, Tensor | None],
        writes: Mapping[str, Tensor | None],
        settings: Mapping[str, Any] | None = None,
        weights: Any = None,
    ) -> None:
        """Add a step; absent tensors are left out."""
        given = {name: tensor for name, tensor in reads.items() if tensor is not None}
        made = {name: tensor for name, tensor in writes.items() if tensor is not None}
        step = Step(op, given, made, settings or {}, weights, node.name)
        self.tapes[self.memory.level([*given.values(), *made.values()])].append(step)

    def result(self, node: fx.Node, shape: Sequence[int], reads: Sequence[Tensor | None]) -> Tensor:
        """A float tensor for what a node makes of these, in the place that was found for it."""
        placed = self.placing.place(node)
        level = self.memory.level(reads)
        return self.memory.new(shape, level) if placed is None else placed.view(tuple(shape))

    def alone(self, node: fx.Node) -> bool:
        """Whether memory was made for a node's tensor and nothing reads it but its one reader."""
        while single_user(node) is not None:
            part = node.target is aten.narrow.default
            if part or node.target in _MADE:
                return not part or node.args[0].target is markers.linear  # type: ignore[union-attr]
            if node.target not in _SAME:
                return False
            node = node.args[0]  # type: ignore[assignment]
        return False

    def in_place(
        self, x: fx.Node, source: Tensor, others: Sequence[Tensor | None]
    ) -> Tensor | None:
        """A head's queries or keys themselves, if what becomes of them may be written over them."""
        level = self.memory.level([source, *others])
        fits = source.dim() == 4 and source.is_meta and self.alone(x)
        return source if fits and self.memory.buffer(source).level == level else None

    def row(self, node: fx.Node, x: Tensor, per_head: bool = False) -> Tensor:
        """One row of numbers, or one a head, side by side."""
        if x.stride(-1) != 1 or per_head:
            x = self.dense(node, x)
        return x.view(-1, x.shape[-1]) if per_head else x.view(-1)

    def shaped(self, node: fx.Node, x: Tensor, shape: Sequence[int]) -> Tensor:
        """A tensor in another shape; copied where it cannot be read in it."""
        view = x.reshape(tuple(shape))
        if self.memory.same(view, x):
            return view
        strides = self.placing.strides(node, shape)
        out = self.memory.new(shape, self.memory.level([x]), x.dtype, strides)
        self.emit("copy", node, {"x": x}, {"out": out.view(x.shape)})
        return out

    def dense(self, node: fx.Node, x: Tensor) -> Tensor:
        """A tensor without gaps, in its own order."""
        if x.is_contiguous():
            return x
        out = self.memory.new(x.shape, self.memory.level([x]), x.dtype)
        self.emit("copy", node, {"x": x}, {"out": out})
        return out

    def _view(self, node: fx.Node) -> Any:
        """What an operator gives that returns its input in another form."""
        values = self.value(node.args)
        kwargs = {name: self.value(value) for name, value in node.kwargs.items()}
        x = values[0]
        if not x.is_meta:
            return node.target(*values, **kwargs)  # type: ignore[operator]
        try:
            found = node.target(*values, **kwargs)  # type: ignore[operator]
        except RuntimeError:  # a view that the original strides allowed
            return self.shaped(node, x, tuple(node.meta["val"].shape))
        first = found[0] if isinstance(found, list | tuple) else found
        if self.memory.same(first, x):
            return found
        if first.dtype == x.dtype:
            return self.shaped(node, x, tuple(first.shape))
        return self.by_torch(node)

    def by_torch(self, node: fx.Node) -> Any:
        """A step that PyTorch carries out, for an operator that has no instruction."""
        reads: dict[str, Tensor] = {}

        def taken(source: fx.Node) -> str:
            value = self.value(source)
            if not isinstance(value, Tensor):
                return value  # type: ignore[no-any-return]
            reads[source.name] = value
            return f"tensor {source.name}"

        form = fx.node.map_arg((node.args, node.kwargs), taken)
        level = self.memory.level(reads.values())
        made = node.meta["val"]
        several = isinstance(made, list | tuple)
        outs = [
            self.memory.new(t.shape, level, torch.float32 if t.dtype.itemsize == 2 else t.dtype)
            for t in (made if several else [made])
        ]
        function = _TorchCall(node.target, form, list(reads))
        self.emit(
            "torch", node, reads, {f"out{i}": out for i, out in enumerate(outs)}, {}, function
        )
        return outs if several else outs[0]


class _TorchCall:
    """Calls an operator of PyTorch with tensors by the names of their nodes."""

    def __init__(self, target: Any, form: Any, names: Sequence[str]) -> None:
        self._target, self._form = target, form
        self._names = {f"tensor {name}" for name in names}

    def __call__(self, tensors: Mapping[str, Tensor]) -> list[Tensor]:
        """Results, as a list even of one."""

        def filled(value: Any) -> Any:
            known = isinstance(value, str) and value in self._names
            return tensors[value.removeprefix("tensor ")] if known else value

        args, kwargs = torch.utils._pytree.tree_map(filled, self._form)
        found = self._target(*args, **kwargs)
        return list(found) if isinstance(found, list | tuple) else [found]
