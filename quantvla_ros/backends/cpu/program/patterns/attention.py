# SPDX-License-Identifier: Apache-2.0
"""Rotary positions, and attention with grouped heads and keys in two pieces."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.patterns.matching import (
    argument,
    aten,
    calls,
    replace,
    shape,
    single_user,
)

HEADS, TOKENS, COLUMNS = 1, 2, 3  # axes of queries, keys and values


def fuse_rotary(graph: fx.Graph) -> None:
    """``cat([a * cos - b * sin, b * cos + a * sin])`` of the halves a and b of one tensor."""
    for node in list(graph.nodes):
        if found := _rotated(node):
            replace(node, markers.rotary, found)
    graph.eliminate_dead_code()


def _rotated(node: fx.Node) -> tuple[fx.Node, fx.Node, fx.Node] | None:
    """What is rotated, cosine and sine."""
    if not calls(node, aten.cat.default) or argument(node, 1, "dim", 0) not in (-1, COLUMNS):
        return None
    parts = node.args[0]
    if len(parts) != 2 or not calls(parts[0], aten.sub.Tensor):  # type: ignore[arg-type, index]
        return None
    if not calls(parts[1], aten.add.Tensor):  # type: ignore[index]
        return None
    products = [*parts[0].args, *parts[1].args]  # type: ignore[index, union-attr]
    if len(products) != 4 or not all(calls(p, aten.mul.Tensor) for p in products):
        return None
    first, second, again, once_more = (p.args for p in products)
    (a, cos), (b, sin) = first, second
    if again != (b, cos) or once_more != (a, sin):
        return None
    source = _halves(a, b)
    if source is None or len(shape(source)) != 4 or shape(cos)[:2] != (1, 1):
        return None
    return source, cos, sin


def _halves(first: Any, second: Any) -> fx.Node | None:
    """The tensor whose last axis two nodes halve."""
    if not (calls(first, operator.getitem) and calls(second, operator.getitem)):
        return None
    split = first.args[0]
    if second.args[0] is not split or (first.args[1], second.args[1]) != (0, 1):
        return None
    if not calls(split, aten.chunk.default, aten.split.Tensor, aten.split.default):
        return None
    source: fx.Node = split.args[0]
    whole = argument(split, 2, "dim", 0) in (-1, COLUMNS)
    return source if whole and shape(first)[-1] * 2 == shape(source)[-1] else None


def fuse_attention(graph: fx.Graph) -> None:
    """Scaled dot products, without the repeated heads and the joined pieces in front of them."""
    for node in list(graph.nodes):
        if not calls(node, aten.scaled_dot_product_attention.default):
            continue
        query, key, value = node.args[:3]
        bias, dropout = argument(node, 3, "attn_mask"), argument(node, 4, "dropout_p", 0.0)
        causal, scale = argument(node, 5, "is_causal", False), argument(node, 6, "scale")
        if dropout or causal or len(shape(query)) != 4 or not _added(bias):
            continue
        keys, values = _pieces(_once(key)), _pieces(_once(value))
        if [shape(k) for k in keys] != [shape(v) for v in values]:
            keys, values = (_once(key),), (_once(value),)
            if shape(keys[0]) != shape(values[0]):
                continue
        replace(node, markers.attention, (query, keys, values, bias, scale))
    graph.eliminate_dead_code()


def _added(bias: fx.Node | None) -> bool:
    """Whether a mask is added to logits: floats [1, 1 or H, T, S]."""
    return bias is None or (bias.meta["val"].is_floating_point() and shape(bias)[0] == 1)


def _once(node: fx.Node) -> fx.Node:
    """Keys or values before their heads were repeated."""
    if not calls(node, aten.repeat_interleave.self_int):
        return node
    source: fx.Node = node.args[0]  # type: ignore[assignment]
    return source if argument(node, 2, "dim") == HEADS else node


def _pieces(node: fx.Node) -> tuple[fx.Node, ...]:
    """Two pieces that were joined along the tokens, or all as one."""
    joined = calls(node, aten.cat.default) and argument(node, 1, "dim", 0) == TOKENS
    if joined and len(node.args[0]) == 2 and single_user(node):  # type: ignore[arg-type]
        return tuple(node.args[0])  # type: ignore[arg-type]
    return (node,)
