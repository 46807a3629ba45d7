# SPDX-License-Identifier: Apache-2.0
"""Sums, products and functions of single numbers, with PyTorch's broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.program.patterns.matching import activation, aten

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering

_BINARY = {
    aten.add.Tensor: "add",
    aten.sub.Tensor: "sub",
    aten.mul.Tensor: "mul",
    aten.div.Tensor: "div",
    aten.maximum.default: "max",
    aten.minimum.default: "min",
    aten.rsub.Scalar: "rsub",
    aten.pow.Tensor_Scalar: "pow",
}
_UNARY = {
    aten.neg.default: "neg",
    aten.exp.default: "exp",
    aten.sin.default: "sin",
    aten.cos.default: "cos",
    aten.rsqrt.default: "rsqrt",
    aten.sqrt.default: "sqrt",
    aten.square.default: "square",
    aten.reciprocal.default: "reciprocal",
    aten.abs.default: "abs",
    aten.log.default: "log",
}
_ACTIVATIONS = (
    aten.relu.default,
    aten.silu.default,
    aten.sigmoid.default,
    aten.tanh.default,
    aten.gelu.default,
)


def _binary(function: str, low: Lowering, node: fx.Node, a: Any, b: Any, **kwargs: Any) -> Tensor:
    first, second = low.value(a), low.value(b)
    operands = [value for value in (first, second) if isinstance(value, Tensor)]
    if kwargs or not _plain(operands, node):
        return low.by_torch(node)  # type: ignore[no-any-return]
    if not isinstance(first, Tensor):
        if function not in ("add", "mul"):
            return low.by_torch(node)  # type: ignore[no-any-return]
        first, second = second, first
    reads = {"a": first, "b": second if isinstance(second, Tensor) else None}
    scalar = 0.0 if isinstance(second, Tensor) else float(second)
    return _map(low, node, function, reads, scalar)


def _unary(function: str, low: Lowering, node: fx.Node, x: Any, **kwargs: Any) -> Tensor:
    source = low.value(x)
    if not _plain([source], node):
        return low.by_torch(node)  # type: ignore[no-any-return]
    return _map(low, node, function, {"a": source, "b": None}, 0.0)


def _activation(low: Lowering, node: fx.Node, x: Any, **kwargs: Any) -> Tensor:
    return _unary(activation(node) or "", low, node, x)


def _plain(operands: list[Tensor], node: fx.Node) -> bool:
    """Whether instructions can do it: floats alone, of few axes."""
    floats = all(value.dtype == torch.float32 for value in operands)
    return floats and node.meta["val"].dim() <= 4


def _map(
    low: Lowering, node: fx.Node, function: str, reads: dict[str, Tensor | None], scalar: float
) -> Tensor:
    given = [value for value in reads.values() if value is not None]
    level = low.memory.level(given)
    shape = torch.broadcast_tensors(*given)[0].shape
    out = low.memory.new(shape, level, strides=_strides(given, shape))
    spread = {name: None if v is None else v.expand(shape) for name, v in reads.items()}
    settings = {"function": function, "scalar": scalar}
    low.emit("map", node, spread, {"out": out}, settings)
    return out


def _strides(given: Sequence[Tensor], shape: Sequence[int]) -> tuple[int, ...] | None:
    """Of a result in the memory order of what is read: pictures stay channels last.

    PyTorch has a word for this, which loads its compiler first (a second).
    """
    guide = next((v for v in given if v.shape == shape and 0 not in v.stride()), None)
    if guide is None:
        return None
    order = sorted(zip(guide.stride(), shape, range(len(shape)), strict=True))
    strides, step = [0] * len(shape), 1
    for _, size, axis in order:
        strides[axis], step = step, step * size
    return tuple(strides)


HANDLERS: dict[Any, Callable[..., Any]] = {
    **{target: partial(_binary, name) for target, name in _BINARY.items()},
    **{target: partial(_unary, name) for target, name in _UNARY.items()},
    **dict.fromkeys(_ACTIVATIONS, _activation),
}
