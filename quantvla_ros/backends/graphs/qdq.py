# SPDX-License-Identifier: Apache-2.0
"""Explicit Q/DQ where a network multiplies integers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.backends.graphs.operators import fake_int8, int8_weight
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import (
    QuantizedLinear,
    quantized_layers,
    rotated,
)


class QdqLinear(nn.Module):
    """A quantized linear as compilers of engines read it: both operands dequantized, then float.

    A compiler finds the pattern and multiplies the integers themselves.
    """

    codes: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, layer: QuantizedLinear) -> None:
        """Share the tensors of a layer with a static range and one scale per channel."""
        super().__init__()
        assert layer.activation_scale is not None and not layer.precision.packed
        self.register_buffer("codes", layer.codes())
        self.register_buffer("scale", layer.scale[:, 0].contiguous())
        self.register_buffer("bias", layer.bias)
        self.step, self.rotation = float(layer.activation_scale), layer.rotation

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., in] to [..., out]."""
        grid = fake_int8(rotated(x, self.rotation), self.step)
        return F.linear(grid, int8_weight(self.codes, self.scale, torch.float32), self.bias)


@contextmanager
def explicit_qdq(network: nn.Module) -> Iterator[None]:
    """Put a `QdqLinear` in the place of every quantized linear, as long as the block runs."""
    layers = quantized_layers(network)
    for name, layer in layers.items():
        replace_module(network, name, QdqLinear(layer))
    try:
        yield
    finally:
        for name, layer in layers.items():
            replace_module(network, name, layer)
