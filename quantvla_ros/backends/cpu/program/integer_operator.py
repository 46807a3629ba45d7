# SPDX-License-Identifier: Apache-2.0
"""Integer layers as one operator each, which export keeps whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers

_LIBRARY = torch.library.Library("quantvla", "FRAGMENT")
_LIBRARY.define("integer_linear(Tensor x, int number, int rows) -> Tensor")
_LIBRARY.impl("integer_linear", lambda x, number, rows: x.new_empty((*x.shape[:-1], rows)), "Meta")

INTEGER_LINEAR = torch.ops.quantvla.integer_linear.default
"""Tensor [..., in], the layer's number and its output channels; graphs hold it, none calls it."""


class _Operator(nn.Module):
    def __init__(self, number: int, layer: QuantizedLinear) -> None:
        super().__init__()
        self.number, self.rows = number, layer.scale.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = INTEGER_LINEAR(x, self.number, self.rows)
        return out


@contextmanager
def integer_operators(network: nn.Module) -> Iterator[None]:
    """Put the operator in the place of every quantized linear, as long as the block runs.

    Their numbers are their places in `quantized_layers`.
    """
    layers = list(quantized_layers(network).items())
    for number, (name, layer) in enumerate(layers):
        replace_module(network, name, _Operator(number, layer))
    try:
        yield
    finally:
        for name, layer in layers:
            replace_module(network, name, layer)
