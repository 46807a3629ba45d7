# SPDX-License-Identifier: Apache-2.0
"""Attention and rotary positions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering


def _rotary(low: Lowering, node: fx.Node, x: Any, cos: Any, sin: Any) -> Tensor:
    """In place where nothing else reads what is rotated: it lies beside its siblings then."""
    source, table = low.value(x), [low.value(cos), low.value(sin)]
    table = [t if t.stride(-1) == 1 and t.stride(2) == table[0].stride(2) else low.dense(node, t)
             for t in table]  # fmt: skip
    if source.stride(-1) != 1:
        source = low.dense(node, source)
    out = low.in_place(x, source, table)
    if out is None:
        batch, heads, tokens, width = source.shape
        level = low.memory.level([source, *table])
        out = low.memory.new((batch, tokens, heads, width), level).transpose(1, 2)
    for b in range(source.shape[0]):
        reads = {"x": source[b], "cos": table[0][0, 0], "sin": table[1][0, 0]}
        low.emit("rotary", node, reads, {"out": out[b]})
    return out


def _attention(
    low: Lowering, node: fx.Node, query: Any, keys: Any, values: Any, bias: Any, scale: float | None
) -> Tensor:
    """The result's heads stand side by side in memory, token by token, as the next linear reads."""
    q, k, v = low.value(query), low.value(list(keys)), low.value(list(values))
    mask = None if bias is None else low.value(bias)
    batch, heads, tokens, width = q.shape
    if mask is not None and mask.stride(-1) != 1:
        mask = low.dense(node, mask)
    if q.stride(-1) != 1:
        q = low.dense(node, q)
    pairs = [_alike(low, node, *pair) for pair in zip(k, v, strict=True)]
    level = low.memory.level([q, mask, *(t for pair in pairs for t in pair)])
    out = low.memory.new((batch, tokens, heads, width), level).transpose(1, 2)
    for b in range(batch):
        reads = {"q": q[b], "bias": None if mask is None else mask[0]}
        for number, (key, value) in enumerate(pairs, 1):
            reads |= {f"k{number}": key[b], f"v{number}": value[b]}
        settings = {"scale": width**-0.5 if scale is None else scale}
        low.emit("attention", node, reads, {"out": out[b]}, settings)
    return out


def _alike(low: Lowering, node: fx.Node, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """A piece's keys and values with the same strides, copied if need be."""
    if key.stride()[1:] == value.stride()[1:] and key.stride(-1) == 1:
        return key, value
    return low.dense(node, key), low.dense(node, value)


HANDLERS: dict[Any, Callable[..., Any]] = {markers.rotary: _rotary, markers.attention: _attention}
