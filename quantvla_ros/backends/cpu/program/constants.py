# SPDX-License-Identifier: Apache-2.0
"""What a graph makes of its weights alone, computed when it is asked for."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.program.graph_text import PlainGraph

_CASTS = (torch.ops.aten.to.dtype, torch.ops.aten._to_copy.default)
_FILLED = {
    torch.ops.aten.zeros_like.default: 0.0,
    torch.ops.aten.ones_like.default: 1.0,
}
"""Operators that take no more than the shape of what they are given."""


class _Made(NamedTuple):
    """How a constant is made; passes over the graph take nodes apart that nothing reads."""

    target: Any
    args: Any
    kwargs: Any
    value: Any
    attribute: bool


class Constants:
    """Of a graph, as it is now. Nothing is kept: a widened weight goes once it is packed."""

    def __init__(self, plain: PlainGraph) -> None:
        self._attribute = plain.constant
        self._made: dict[fx.Node, _Made] = {}
        for node in plain.graph.nodes:
            called = node.op == "call_function" and (
                node.target in _FILLED or all(n in self._made for n in node.all_input_nodes)
            )
            if node.op == "get_attr" or called:
                value = node.meta.get("val")
                given = node.op == "get_attr"
                self._made[node] = _Made(node.target, node.args, node.kwargs, value, given)

    def __contains__(self, node: Any) -> bool:
        """Whether a value is a node that is the same in every run."""
        return node in self._made

    def value(self, node: fx.Node) -> Any:
        """What a constant node gives, a tensor or several."""
        made = self._made[node]
        if made.attribute:
            return self._attribute(made.target)
        if made.target in _FILLED:
            shape = tuple(made.value.shape)
            return torch.full(shape, _FILLED[made.target], dtype=made.value.dtype)
        args, kwargs = fx.node.map_arg((made.args, made.kwargs), self.value)
        return made.target(*args, **kwargs)

    def names(self, node: fx.Node) -> set[str]:
        """Names of all tensors of the network that a constant is made of."""
        made, found = self._made[node], set()
        if made.attribute:
            return {str(made.target)}

        def add(source: fx.Node) -> fx.Node:
            found.update(self.names(source))
            return source

        fx.node.map_arg((made.args, made.kwargs), add)
        return found

    def before_casts(self, node: fx.Node) -> fx.Node:
        """What a constant was before it was widened from the 16 bits of its file."""
        while self._made[node].target in _CASTS:
            source: fx.Node = self._made[node].args[0]
            if self.like(source).dtype.itemsize != 2:
                break
            node = source
        return node

    def like(self, node: fx.Node) -> Tensor:
        """A constant's shape and type."""
        made = self._made[node]
        found: Tensor = self._attribute(made.target) if made.attribute else made.value
        return found
