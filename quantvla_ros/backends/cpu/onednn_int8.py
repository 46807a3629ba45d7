# SPDX-License-Identifier: Apache-2.0
"""Product with 8-bit weights on x86 CPUs through oneDNN.

oneDNN multiplies unsigned activations with signed weights. On a CPU without VNNI it adds pairs of
products in 16 bits, which saturates silently for 8-bit activations: 2 * 255 * 127 does not fit.
With activations on the 7-bit grid (1..127 after the shift) a pair is at most 2 * 127 * 127 = 32258
and every sum is exact.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.quantization.activations import quantize_activation, quantize_static


class OneDnnInt8:
    """int8 weights in oneDNN's layout with their scales."""

    name = "onednn u8s8"

    def __init__(self, product: Product) -> None:
        self.rows, self._limit = product.rows, product.limit
        self._step = None if product.step is None else torch.tensor(product.step)
        self._weight = torch.ops.onednn.qlinear_prepack(product.codes.contiguous(), None)
        self._scale = product.scales[:, 0].clone()
        self._zero = torch.zeros(self.rows, dtype=torch.int32)
        self._bytes = product.codes.numel() + self._scale.nbytes + self._zero.nbytes

    @property
    def held_bytes(self) -> int:
        """Bytes held; one a weight, as oneDNN tensors tell no storage size."""
        return self._bytes

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        if self._step is None:
            grid, token_step = quantize_activation(x, self._limit)
            return self._multiply(grid, 1.0).mul_(token_step)
        out = self._multiply(quantize_static(x, self._limit, self._step), float(self._step))
        if not math.isfinite(float(x.sum())):
            # The conversion to integers lost what was not finite; a fault must stay visible.
            out[~x.isfinite().all(dim=1)] = math.nan
        return out

    def _multiply(self, grid: Tensor, step: float) -> Tensor:
        zero_point = self._limit + 1
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            grid.add_(zero_point).to(torch.uint8),
            step,
            zero_point,
            self._weight,
            self._scale,
            self._zero,
            None,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )
        return out
