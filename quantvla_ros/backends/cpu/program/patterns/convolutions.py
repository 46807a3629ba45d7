# SPDX-License-Identifier: Apache-2.0
"""Convolutions and group norms with the activation behind them, and scaled embeddings."""

from __future__ import annotations

from typing import Any

from torch import fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.patterns.matching import (
    activation,
    argument,
    aten,
    calls,
    replace,
    shape,
    single_user,
)

_CASTS = (aten.to.dtype, aten._to_copy.default)


def fuse_convolutions(graph: fx.Graph, constants: Constants) -> None:
    """Each becomes one node; what a convolution cannot be packed for stays as it is."""
    for node in list(graph.nodes):
        if calls(node, aten.conv2d.default):
            _convolution(node, constants)
        elif calls(node, aten.group_norm.default):
            _group_norm(node)
        elif calls(node, aten.embedding.default):
            _embedding(node, constants)
    graph.eliminate_dead_code()


def _convolution(node: fx.Node, constants: Constants) -> None:
    x, weight = node.args[:2]
    bias = argument(node, 2, "bias")
    stride, padding = argument(node, 3, "stride", 1), argument(node, 4, "padding", 0)
    plain = argument(node, 5, "dilation", 1) in (1, [1, 1]) and argument(node, 6, "groups", 1) == 1
    square = [_square(stride), _square(padding)]
    if plain and None not in square and weight in constants:
        end, name = _activated(node)
        replace(end, markers.convolution, (x, weight, bias, *square, name))


def _square(value: Any) -> int | None:
    """One number for both axes."""
    if isinstance(value, int):
        return value
    return value[0] if len(set(value)) == 1 else None


def _group_norm(node: fx.Node) -> None:
    x, groups = node.args[:2]
    gain, shift = argument(node, 2, "weight"), argument(node, 3, "bias")
    if len(shape(x)) == 4:  # type: ignore[arg-type]
        end, name = _activated(node)
        eps = argument(node, 4, "eps", 1e-5)
        replace(end, markers.group_norm, (x, groups, gain, shift, eps, name))


def _activated(node: fx.Node) -> tuple[fx.Node, str | None]:
    """A node and the activation behind it, if that alone reads the node."""
    user = single_user(node)
    name = activation(user)
    return (user, name) if user is not None and name else (node, None)


def _embedding(node: fx.Node, constants: Constants) -> None:
    """With the cast and the number behind it: a table keeps its type."""
    table, ids = node.args[:2]
    if table not in constants:
        return
    end, scale = node, 1.0
    user = single_user(end)
    if user is not None and calls(user, *_CASTS) and user.meta["val"].dtype.itemsize == 4:
        end = user
        user = single_user(end)
    number = user.args[1] if calls(user, aten.mul.Tensor) and user is not None else None
    if isinstance(number, int | float):
        end, scale = user, float(number)  # type: ignore[assignment]
    replace(end, markers.embedding, (table, ids, scale))
