# SPDX-License-Identifier: Apache-2.0
"""Grids: activations as bytes, a step for each row, that all integer layers read alike."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.program import markers
from quantvla_ros.backends.cpu.program.linear_table import IntegerLayer, LinearTable
from quantvla_ros.backends.cpu.program.steps import Level, Memory
from quantvla_ros.quantization.activations import activation_limit

WIDTH = 64  # bytes of a row are a multiple of this


class GridForm(NamedTuple):
    """What a layer wants of its grid.

    Attributes:
        limit: largest magnitude.
        step: of a fixed grid; 0 where each row has its own.
        block: of the Hadamard transform before it; 0 for none.
    """

    limit: int
    step: float
    block: int


def grid_form(table: LinearTable, node: fx.Node) -> GridForm | None:
    """The grid on which a node reads its first argument; None if it reads floats."""
    if node.target is markers.linear:
        number = node.args[1][0]  # type: ignore[index]
    elif node.target is markers.gated_linear:
        number = node.args[1]
    else:
        return None
    entry = table.layers[number]  # type: ignore[index]
    if not isinstance(entry, IntegerLayer) or entry.layer.precision.activation == "float":
        return None
    layer = entry.layer
    step = 0.0 if layer.activation_scale is None else float(layer.activation_scale)
    return GridForm(activation_limit(layer.activation_bits), step, layer.rotation or 0)


def new_grid(memory: Memory, x: Tensor, level: Level) -> tuple[Tensor, Tensor]:
    """Memory for a tensor's grid: bytes [rows, stride] and steps [rows]."""
    rows = x.numel() // x.shape[-1]
    stride = -(-x.shape[-1] // WIDTH) * WIDTH
    return memory.new((rows, stride), level, torch.uint8), memory.new((rows,), level)
