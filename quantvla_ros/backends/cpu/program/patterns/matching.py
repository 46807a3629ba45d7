# SPDX-License-Identifier: Apache-2.0
"""What all patterns look for and do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten

ACTIVATIONS: dict[Any, str] = {
    aten.relu.default: "relu",
    aten.silu.default: "silu",
    aten.sigmoid.default: "sigmoid",
    aten.tanh.default: "tanh",
    aten.gelu.default: "gelu",
}


def calls(node: Any, *targets: Any) -> bool:
    """Whether a value is a node that calls one of these."""
    return isinstance(node, fx.Node) and node.op == "call_function" and node.target in targets


def activation(node: Any) -> str | None:
    """The activation that a node computes, as instructions name it; None if it is something else.

    GELU has two forms: "gelu_erf" and "gelu_tanh".
    """
    if not calls(node, *ACTIVATIONS):
        return None
    name = ACTIVATIONS[node.target]
    if name != "gelu":
        return name
    form = argument(node, 1, "approximate", "none")
    return "gelu_tanh" if form == "tanh" else "gelu_erf"


def argument(node: fx.Node, place: int, name: str, default: Any = None) -> Any:
    """An argument that may be given by its place or its name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


def single_user(node: fx.Node) -> fx.Node | None:
    """The one node that reads this one; None if several do."""
    users = list(node.users)
    return users[0] if len(users) == 1 else None


def shape(node: fx.Node) -> tuple[int, ...]:
    """Of a node's tensor."""
    return tuple(node.meta["val"].shape)


def replace(node: fx.Node, function: Callable[..., Any], args: tuple[Any, ...]) -> fx.Node:
    """Put a call of one of `markers` in a node's place."""
    graph = node.graph
    with graph.inserting_before(node):
        new = graph.call_function(function, args)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.erase_node(node)
    return new


def is_row(node: fx.Node, width: int) -> bool:
    """Whether a tensor is one row of numbers, whatever axes of one stand before it."""
    sizes = shape(node)
    return bool(sizes) and sizes[-1] == width and node.meta["val"].numel() == width
