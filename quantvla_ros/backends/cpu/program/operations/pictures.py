# SPDX-License-Identifier: Apache-2.0
"""Convolutions and group norms, whose results lie channels last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.patterns.matching import shape

if TYPE_CHECKING:
    from quantvla_ros.backends.cpu.program.lowering import Lowering


def _convolution(
    low: Lowering, node: fx.Node, x: Any, weight: Any, bias: Any, stride: int, padding: int,
    activation: str | None,
) -> Tensor:  # fmt: skip
    source = low.value(x)
    packed = low.weights.pack_convolution(low.constants, weight, bias)
    out = _channels_last(low, node, [source])
    batch, channels, height, width = source.shape
    padded = (batch, height + 2 * padding, width + 2 * padding, channels)
    scratch = low.memory.new(padded, low.memory.level([source]))
    settings = {
        "kernel": low.constants.like(weight).shape[2:],
        "stride": stride,
        "padding": padding,
        "activation": activation,
    }
    low.emit("convolution", node, {"x": source}, {"out": out, "scratch": scratch}, settings, packed)
    return out


def _group_norm(
    low: Lowering, node: fx.Node, x: Any, groups: int, gain: Any, shift: Any, eps: float,
    activation: str | None,
) -> Tensor:  # fmt: skip
    source = low.value(x)
    if not source.permute(0, 2, 3, 1).is_contiguous():
        copy = _channels_last(low, node, [source])
        low.emit("copy", node, {"x": source}, {"out": copy})
        source = copy
    rows = [None if row is None else low.value(row) for row in (gain, shift)]
    reads = {"x": source, "gain": rows[0], "shift": rows[1]}
    out = _channels_last(low, node, [source])
    settings = {"groups": groups, "eps": eps, "activation": activation}
    low.emit("group_norm", node, reads, {"out": out}, settings)
    return out


def _channels_last(low: Lowering, node: fx.Node, reads: list[Tensor]) -> Tensor:
    batch, channels, height, width = shape(node)
    level = low.memory.level(reads)
    return low.memory.new((batch, height, width, channels), level).permute(0, 3, 1, 2)


HANDLERS: dict[Any, Callable[..., Any]] = {
    markers.convolution: _convolution,
    markers.group_norm: _group_norm,
}
