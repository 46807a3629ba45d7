# SPDX-License-Identifier: Apache-2.0
"""An exported graph as JSON and back: its operators, not its weights."""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from quantvla_ros.backends.graphs.constants import attribute

_WORDS = (torch.dtype, torch.layout, torch.memory_format)


class PlainGraph(NamedTuple):
    """A graph of operators.

    Attributes:
        graph: its nodes; `get_attr` names a constant.
        constant: gives that by its name.
    """

    graph: fx.Graph
    constant: Callable[[str], Tensor]


def write_graph(module: fx.GraphModule, network: nn.Module) -> dict[str, Any]:
    """A graph in words and numbers.

    Args:
        module: of calls of operators.
        network: of which it was exported; its tensors are named, all other constants written out.

    Raises:
        TypeError: it holds something that has no form here.
    """
    places = {node: place for place, node in enumerate(module.graph.nodes)}
    names = {str(node.target) for node in places if node.op == "get_attr"}
    own = {name: attribute(module, name) for name in sorted(names)}
    return {
        "nodes": [_written_node(node, places) for node in places],
        "constants": {
            name: _written_tensor(value)
            for name, value in own.items()
            if not _holds(network, name, value)
        },
    }


def read_graph(text: Mapping[str, Any], network: nn.Module) -> PlainGraph:
    """What `write_graph` wrote, of a network of the same form.

    Raises:
        Exception: of any kind, where it is not that.
    """
    graph = fx.Graph()
    nodes: list[fx.Node] = []
    for op, name, target, args, kwargs, made in text["nodes"]:
        function = _operator(target) if op == "call_function" else target
        given = tuple(_read(value, nodes) for value in args)
        named = {key: _read(value, nodes) for key, value in kwargs.items()}
        node = graph.create_node(op, function, given, named, name)
        if made is not None:
            node.meta["val"] = _read_form(made)
        nodes.append(node)
    own = {name: _read_tensor(*value) for name, value in text["constants"].items()}
    return PlainGraph(graph, partial(_constant, own, network))


def _constant(own: Mapping[str, Tensor], network: nn.Module, name: str) -> Tensor:
    return own[name] if name in own else attribute(network, name)


def _holds(network: nn.Module, name: str, value: Tensor) -> bool:
    """Whether a network has this very tensor under this name."""
    try:
        found = attribute(network, name)
    except AttributeError:
        return False
    place = (found.data_ptr(), found.dtype, found.shape, found.stride())
    return place == (value.data_ptr(), value.dtype, value.shape, value.stride())


def _written_node(node: fx.Node, places: Mapping[fx.Node, int]) -> list[Any]:
    if node.op not in ("placeholder", "get_attr", "call_function", "output"):
        raise TypeError(node.op)
    target = _operator_name(node.target) if node.op == "call_function" else str(node.target)
    args = [_written(value, places) for value in node.args]
    kwargs = {name: _written(value, places) for name, value in node.kwargs.items()}
    made = node.meta.get("val")
    return [node.op, node.name, target, args, kwargs, None if made is None else _form(made)]


def _written(value: Any, places: Mapping[fx.Node, int]) -> Any:
    """An argument; what JSON has no form of becomes an object of one entry."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, fx.Node):
        return {"node": places[value]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_written(one, places) for one in value]}
    if isinstance(value, _WORDS):
        return {"torch": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    raise TypeError(type(value))


def _read(value: Any, nodes: Sequence[fx.Node]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "node":
        return nodes[content]
    if kind in ("list", "tuple"):
        found = [_read(one, nodes) for one in content]
        return found if kind == "list" else tuple(found)
    return torch.device(content) if kind == "device" else _word(content)


def _word(name: str) -> Any:
    found = getattr(torch, name)
    if not isinstance(found, _WORDS):
        raise TypeError(name)
    return found


def _operator_name(target: Any) -> str:
    if target is operator.getitem:
        return "getitem"
    if not isinstance(target, torch._ops.OpOverload):
        raise TypeError(target)
    return str(target)


def _operator(name: str) -> Any:
    if name == "getitem":
        return operator.getitem
    space, packet, overload = name.split(".")
    return getattr(getattr(getattr(torch.ops, space), packet), overload)


def _form(made: Any) -> Any:
    """Types, shapes and strides of what a node gives."""
    if isinstance(made, list | tuple):
        return {"several": [_form(one) for one in made]}
    if not isinstance(made, Tensor):
        raise TypeError(type(made))
    kind = str(made.dtype).removeprefix("torch.")
    return [kind, [int(size) for size in made.shape], [int(step) for step in made.stride()]]


def _read_form(form: Any) -> Any:
    if isinstance(form, dict):
        return [_read_form(one) for one in form["several"]]
    kind, shape, strides = form
    return torch.empty_strided(shape, strides, dtype=_word(kind), device="meta")


def _written_tensor(value: Tensor) -> list[Any]:
    content = value.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    kind = str(value.dtype).removeprefix("torch.")
    return [kind, list(value.shape), base64.b64encode(content).decode()]


def _read_tensor(kind: str, shape: Sequence[int], content: str) -> Tensor:
    raw = bytearray(base64.b64decode(content))
    if not raw:
        return torch.empty(shape, dtype=_word(kind))
    return torch.frombuffer(raw, dtype=torch.uint8).view(_word(kind)).reshape(shape)
