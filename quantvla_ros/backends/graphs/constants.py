# SPDX-License-Identifier: Apache-2.0
"""Computes beforehand what a graph makes of its weights alone."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, fx

_OURS = "quantvla"


def fold_constants(module: fx.GraphModule) -> None:
    """Put one constant in the place of whatever depends on constants only, in place.

    A weight that is widened, one plus a gain, a Hadamard matrix; equal ones become one. Integers of
    weights stay: what our operators give is never computed here.
    """
    graph = module.graph
    known: dict[tuple[torch.dtype, torch.Size, str], str] = {}
    for index, node in enumerate(list(graph.nodes)):
        if node.op != "call_function" or str(node.target).startswith(_OURS):
            continue
        if any(source.op != "get_attr" for source in node.all_input_nodes):
            continue
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs), lambda source: attribute(module, source.target)
        )
        value = node.target(*args, **kwargs)
        if not isinstance(value, Tensor):
            continue
        content = (value.dtype, value.shape, tensor_hash(value))
        name = known.setdefault(content, f"folded_{index}")
        module.register_buffer(name, value)
        with graph.inserting_before(node):
            constant = graph.get_attr(name)
        node.replace_all_uses_with(constant)
        graph.erase_node(node)
    graph.eliminate_dead_code()


def attribute(module: torch.nn.Module, name: Any) -> Tensor:
    """A tensor of a module by its dotted name."""
    found: Any = module
    for part in str(name).split("."):
        found = getattr(found, part)
    assert isinstance(found, Tensor)
    return found.detach()


def tensor_hash(value: Tensor) -> str:
    """Hash of a tensor's bytes, hex."""
    content = value.detach().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(content.numpy().data).hexdigest()
