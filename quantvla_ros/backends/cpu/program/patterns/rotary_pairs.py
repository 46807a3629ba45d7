# SPDX-License-Identifier: Apache-2.0
"""Queries and keys that lie side by side are rotated together."""

from __future__ import annotations

from typing import NamedTuple

from torch import fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.patterns.attention import HEADS, TOKENS
from quantvla_ros.backends.cpu.program.patterns.matching import aten, calls, shape, single_user

_TRANSPOSED = [(HEADS, TOKENS), (TOKENS, HEADS)]


class _Part(NamedTuple):
    """A rotation of some columns of a product.

    Attributes:
        node: the rotation.
        whole: the product.
        start: first column.
        width: number of columns.
    """

    node: fx.Node
    whole: fx.Node
    start: int
    width: int


def fuse_rotary_pairs(graph: fx.Graph) -> None:
    """Two rotations of neighbouring heads by one table become one; each reads its heads."""
    parts = [part for node in graph.nodes if (part := _part(node)) is not None]
    for first in parts:
        for second in parts:
            beside = first.whole is second.whole and first.start + first.width == second.start
            alike = shape(first.node)[-1] == shape(second.node)[-1]
            if beside and alike and first.node.args[1:] == second.node.args[1:]:
                _join(graph, first, second)
    graph.eliminate_dead_code()


def _part(node: fx.Node) -> _Part | None:
    """``rotary(transpose(view(narrow(whole))))`` that nothing else reads."""
    if not calls(node, markers.rotary):
        return None
    heads: fx.Node = node.args[0]  # type: ignore[assignment]
    if not calls(heads, aten.transpose.int) or heads.args[1:] not in _TRANSPOSED:
        return None
    split: fx.Node = heads.args[0]  # type: ignore[assignment]
    if not calls(split, aten.view.default, aten.reshape.default):
        return None
    columns: fx.Node = split.args[0]  # type: ignore[assignment]
    if not calls(columns, aten.narrow.default) or not calls(columns.args[0], markers.linear):
        return None
    if any(single_user(inner) is None for inner in (heads, split, columns)):
        return None
    whole, axis, start, width = columns.args
    return _Part(node, whole, start, width) if axis == -1 else None  # type: ignore[arg-type]


def _join(graph: fx.Graph, first: _Part, second: _Part) -> None:
    batch, heads, tokens, width = shape(first.node)
    count = heads + shape(second.node)[HEADS]
    earlier = min((first.node, second.node), key=list(graph.nodes).index)
    like = first.node.meta["val"]

    def call(target: object, *args: object) -> fx.Node:
        return graph.call_function(target, args)  # type: ignore[arg-type]

    with graph.inserting_before(earlier):
        columns = call(aten.narrow.default, first.whole, -1, first.start, count * width)
        split = call(aten.view.default, columns, [batch, tokens, count, width])
        swapped = call(aten.transpose.int, split, HEADS, TOKENS)
        rotated = call(markers.rotary, swapped, *first.node.args[1:])
        own = call(aten.narrow.default, rotated, HEADS, 0, heads)
        other = call(aten.narrow.default, rotated, HEADS, heads, count - heads)
    sizes = {
        columns: (batch, tokens, count * width),
        split: (batch, tokens, count, width),
        swapped: (batch, count, tokens, width),
        rotated: (batch, count, tokens, width),
    }
    for node, size in sizes.items():
        node.meta = {"val": like.new_empty(size)}
    for part, new in ((first, own), (second, other)):
        new.meta = dict(part.node.meta)
        part.node.replace_all_uses_with(new)
        graph.erase_node(part.node)
