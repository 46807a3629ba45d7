# SPDX-License-Identifier: Apache-2.0
"""Products on machines that cannot build the C kernels: unpack at every call, multiply in float32.

On integers the float product is exact while a group's sum stays below 2**24.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.codes import Codes


class TorchProduct:
    """Packed weights and the reference's arithmetic."""

    def __init__(self, product: Product) -> None:
        bits = 4 if product.precision.packed else 8
        self.name = f"torch f32 on {bits}-bit weights"
        self.rows = product.rows
        self._layer = QuantizedLinear.from_codes(
            Codes(product.codes, product.scales),
            None,
            product.precision,
            product.activation_bits,
            None if product.step is None else torch.tensor(product.step),
        )

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return sum(tensor.nbytes for tensor in self._layer.buffers())

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        out: Tensor = self._layer(x)
        return out
