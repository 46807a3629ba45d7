# SPDX-License-Identifier: Apache-2.0
"""Norms with a gain and a shift that are constants, or made of a condition."""

from __future__ import annotations

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

EPSILON = 1.1920928955078125e-07
"""Of an RMS norm that is given none: float32's own."""


def fuse_norms(graph: fx.Graph) -> None:
    """A norm of the last axis with the product and the sum behind it."""
    for node in list(graph.nodes):
        one_axis = calls(node, aten.rms_norm.default, aten.layer_norm.default)
        if one_axis and len(node.args[1]) == 1:
            _fuse(node)
    graph.eliminate_dead_code()


def _fuse(node: fx.Node) -> None:
    centred = node.target == aten.layer_norm.default
    x, gain = node.args[0], argument(node, 2, "weight")
    shift = argument(node, 3, "bias") if centred else None
    eps = argument(node, 4, "eps", 1e-5) if centred else argument(node, 3, "eps")
    end, offset = node, 0.0
    if gain is None and shift is None:
        scaled = _other(end, aten.mul.Tensor)
        if scaled is not None:
            (end, gain), offset = scaled, 0.0
            inner = _one_plus(gain)
            if inner is not None:
                gain, offset = inner, 1.0
    if shift is None:
        moved = _other(end, aten.add.Tensor)
        if moved is not None:
            end, shift = moved
    args = (x, gain, shift, EPSILON if eps is None else eps, centred, offset)
    replace(end, markers.norm, args)


def _other(node: fx.Node, target: Any) -> tuple[fx.Node, fx.Node] | None:
    """The one node that combines this one with a row for every token, and that row."""
    user = single_user(node)
    if user is None or not calls(user, target) or user.kwargs or len(user.args) != 2:
        return None
    first, second = user.args
    other = second if first is node else first
    if not isinstance(other, fx.Node) or shape(user) != shape(node):
        return None
    return (user, other) if _is_gain(other, node) else None


def _is_gain(gain: fx.Node, x: fx.Node) -> bool:
    """One row for all tokens, or one a head of [1, H, T, E]."""
    sizes, whole = shape(gain), shape(x)
    if not sizes or sizes[-1] != whole[-1]:
        return False
    rows = [n for n in sizes[:-1] if n != 1]
    heads = len(whole) == 4 and len(sizes) >= 3 and sizes[-3:-1] == (whole[1], 1)
    return not rows or (heads and rows == [whole[1]])


def _one_plus(gain: fx.Node) -> fx.Node | None:
    """What is added to one."""
    if not calls(gain, aten.add.Tensor) or gain.kwargs or len(gain.args) != 2:
        return None
    if gain.args[1] == 1.0 and isinstance(gain.args[0], fx.Node):
        return gain.args[0]
    return gain.args[1] if gain.args[0] == 1.0 else None  # type: ignore[return-value]
