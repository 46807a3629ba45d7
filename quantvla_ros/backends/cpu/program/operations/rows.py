# SPDX-License-Identifier: Apache-2.0
"""Rows of tables, and tensors put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.patterns.matching import aten, shape

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering


def _embedding(low: Lowering, node: fx.Node, table: Any, ids: Any, scale: float) -> Tensor:
    rows, numbers = low.weights.keep_table(low.constants, table), low.value(ids)
    numbers = low.dense(node, numbers)
    out = low.result(node, shape(node), [numbers])
    low.emit(
        "embedding", node, {"table": rows, "ids": numbers.view(-1)},
        {"out": out.view(-1, out.shape[-1])}, {"scale": scale},
    )  # fmt: skip
    return out


def _cat(low: Lowering, node: fx.Node, pieces: Sequence[Any], dim: int = 0) -> Tensor:
    """Pieces that were not written into their place are copied there."""
    values = [low.value(piece) for piece in pieces]
    if any(value.dtype != torch.float32 for value in values):
        return low.by_torch(node)  # type: ignore[no-any-return]
    out, start = low.placing.joined(node), 0
    axis = dim % out.dim()
    for value in values:
        size = value.shape[axis]
        if not low.placing.is_placed(value, out, start, axis):
            low.emit("copy", node, {"x": value}, {"out": out.narrow(axis, start, size)})
        start += size
    return out


def _stack(low: Lowering, node: fx.Node, pieces: Sequence[Any], dim: int = 0) -> Tensor:
    values = [low.value(piece) for piece in pieces]
    if any(value.dtype != torch.float32 for value in values):
        return low.by_torch(node)  # type: ignore[no-any-return]
    out = low.memory.new(shape(node), low.memory.level(values))
    for number, value in enumerate(values):
        low.emit("copy", node, {"x": value}, {"out": out.select(dim, number)})
    return out


HANDLERS: dict[Any, Callable[..., Any]] = {
    markers.embedding: _embedding,
    aten.cat.default: _cat,
    aten.stack.default: _stack,
}
