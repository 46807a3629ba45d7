# SPDX-License-Identifier: Apache-2.0
"""Integer matrix product on x86 CPUs through oneDNN.

oneDNN multiplies unsigned activations with signed weights. On a CPU without VNNI it adds pairs of
products in 16 bits, which saturates silently for 8-bit activations: 2 * 255 * 127 does not fit.
With activations on the 7-bit grid (1..127 after the shift) a pair is at most 2 * 127 * 127 = 32258
and every sum is exact.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.quantization.integer_linear import activation_limit, quantize_activation


class OneDnnWeight:
    """int8 weights in oneDNN's layout with their scales."""

    name = "onednn u8s8"

    def __init__(self, weight: Tensor, scale: Tensor, bits: int) -> None:
        """Pack int8 weights [out, in] with their float32 scales [out] for a grid of `bits`."""
        self.rows = weight.shape[0]
        self._limit = activation_limit(bits)
        self._weight = torch.ops.onednn.qlinear_prepack(weight.contiguous(), None)
        self._scale = scale.clone()
        self._zero = torch.zeros(self.rows, dtype=torch.int32)
        self._bytes = weight.numel() + self._scale.nbytes + self._zero.nbytes

    @property
    def held_bytes(self) -> int:
        """Bytes held; one a weight, as oneDNN tensors tell no storage size."""
        return self._bytes

    def apply(self, x: Tensor) -> Tensor:
        """Quantize ``x`` float [M, in] per token, multiply, scale."""
        grid, token_scale = quantize_activation(x, self._limit)
        zero_point = self._limit + 1
        out: Tensor = torch.ops.onednn.qlinear_pointwise(
            grid.add_(zero_point).to(torch.uint8),
            1.0,
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
        return out.mul_(token_scale)
