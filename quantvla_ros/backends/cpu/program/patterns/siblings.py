# SPDX-License-Identifier: Apache-2.0
"""Linears that read the same tensor share one product."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.linear_table import LinearTable
from quantvla_ros.backends.cpu.program.patterns.matching import aten, calls, single_user


def fuse_siblings(graph: fx.Graph, table: LinearTable) -> None:
    """Plain linears of one form that read the same node become one; each reads its channels."""
    groups: dict[tuple[Any, ...], list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if calls(node, markers.linear) and node.args[2:] == (None, None, None):
            groups[(node.args[0], table.form(node.args[1][0]))].append(node)
    for (x, _), nodes in groups.items():
        if len(nodes) > 1:
            _share(graph, x, nodes, table)
    graph.eliminate_dead_code()


def _layers(node: fx.Node) -> tuple[int, ...]:
    found: tuple[int, ...] = node.args[1]  # type: ignore[assignment]
    return found


def _is_rotated(node: fx.Node) -> bool:
    """Whether nothing but a rotation reads a linear's heads."""
    user = single_user(node)
    while user is not None and calls(user, aten.view.default, aten.transpose.int):
        user = single_user(user)
    return calls(user, markers.rotary)


def _share(graph: fx.Graph, x: fx.Node, nodes: list[fx.Node], table: LinearTable) -> None:
    first = nodes[0]
    nodes = sorted(nodes, key=_is_rotated, reverse=True)  # side by side: see `rotary_pairs`
    layers: tuple[int, ...] = tuple(n for node in nodes for n in _layers(node))
    with graph.inserting_before(first):
        whole = graph.call_function(markers.linear, (x, layers, None, None, None))
    value = nodes[0].meta["val"]
    width = sum(table.rows(number) for number in layers)
    whole.meta = {**nodes[0].meta, "val": value.new_empty((*value.shape[:-1], width))}
    start = 0
    for node in nodes:
        rows = node.meta["val"].shape[-1]
        with graph.inserting_after(whole):
            part = graph.call_function(aten.narrow.default, (whole, -1, start, rows))
        part.meta = dict(node.meta)
        node.replace_all_uses_with(part)
        graph.erase_node(node)
        start += rows
