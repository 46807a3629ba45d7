# SPDX-License-Identifier: Apache-2.0
"""Linears with all that follows them at once: bias, activation, gate, residual, gated MLPs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.integer_operator import INTEGER_LINEAR
from quantvla_ros.backends.cpu.program.linear_table import LinearTable
from quantvla_ros.backends.cpu.program.patterns.matching import (
    activation,
    aten,
    calls,
    is_row,
    replace,
    shape,
    single_user,
)


def fuse_linears(graph: fx.Graph, constants: Constants, table: LinearTable) -> None:
    """Every linear of weights that never change becomes one node with what follows it."""
    for node in list(graph.nodes):
        if calls(node, aten.linear.default):
            x, weight, *bias = node.args
            if weight in constants and (not bias or bias[0] is None or bias[0] in constants):
                number = table.add_float(weight, bias[0] if bias else None)
                replace(node, markers.linear, (x, (number,), None, None, None))
        elif calls(node, INTEGER_LINEAR):
            x, number, _ = node.args
            number = table.integer(number)
            replace(node, markers.linear, (x, (number,), None, None, None))
    for node in list(graph.nodes):
        if calls(node, aten.mul.Tensor):
            _gated(node, table)
    for node in list(graph.nodes):
        if calls(node, markers.linear):
            _take_epilogue(node)
    graph.eliminate_dead_code()


def _gated(node: fx.Node, table: LinearTable) -> None:
    """``activation(gate(x)) * up(x)``, where nothing else reads the three."""
    for active, up in (node.args, reversed(node.args)):
        name = activation(active)
        if name is None or single_user(active) is not node:  # type: ignore[arg-type]
            continue
        gate = active.args[0]  # type: ignore[union-attr]
        both = calls(gate, markers.linear) and calls(up, markers.linear)
        if not both or single_user(gate) is not active or single_user(up) is not node:  # type: ignore[arg-type]
            continue
        first, second = _only_layer(gate), _only_layer(up)
        alike = table.form(first) == table.form(second) and table.rows(first) == table.rows(second)
        alike = alike and not (table.has_bias(first) or table.has_bias(second))
        if gate.args[0] is up.args[0] and alike:  # type: ignore[union-attr]
            replace(node, markers.gated_linear, (gate.args[0], first, second, name))  # type: ignore[union-attr]
            return


def _only_layer(node: Any) -> int:
    """Number of a linear's one layer."""
    (number,) = node.args[1]
    return int(number)


def _take_epilogue(node: fx.Node) -> None:
    """Walk along the readers as long as the product's instruction can do what they do."""
    x, layers, name, gate, residual = node.args
    width = shape(node)[-1]
    end = node
    while residual is None:
        user = single_user(end)
        if user is None or user.kwargs.keys() - {"approximate"}:
            break
        if activation(user) and name is None and gate is None:
            name = activation(user)
        elif calls(user, aten.mul.Tensor) and gate is None:
            gate = _row(user, end, width)
            if gate is None:
                break
        elif calls(user, aten.add.Tensor):
            residual = _residual(user, end)
            if residual is None:
                break
        else:
            break
        end = user
    if end is not node:
        replace(end, markers.linear, (x, layers, name, gate, residual))


def _row(user: fx.Node, node: fx.Node, width: int) -> fx.Node | None:
    """The row of numbers that a node is combined with, the same for all tokens."""
    other = _other(user.args, node)
    whole = shape(user) == shape(node)
    return other if other is not None and whole and is_row(other, width) else None


def _residual(user: fx.Node, node: fx.Node) -> fx.Node | None:
    """What is added: the same shape, or rows that repeat along the first axes."""
    other = _other(user.args, node)
    if other is None or shape(user) != shape(node):
        return None
    sizes = list(shape(other))
    while sizes and sizes[0] == 1:
        sizes.pop(0)
    repeated = list(shape(node))[len(shape(node)) - len(sizes) :]
    return other if sizes == repeated and sizes else None


def _other(args: Sequence[Any], node: fx.Node) -> fx.Node | None:
    """The other one of two operands that are both tensors."""
    if len(args) != 2 or args[0] is args[1]:
        return None
    other = args[1] if args[0] is node else args[0]
    return other if isinstance(other, fx.Node) else None
