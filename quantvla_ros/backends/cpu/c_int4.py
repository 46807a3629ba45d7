# SPDX-License-Identifier: Apache-2.0
"""Call `int4_linear.c`: 4-bit weights, unpacked in registers, times integer activations."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.c_library import in_blocks, run_kernel, scales_in_blocks
from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.quantization.nibbles import OFFSET

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_long


class CInt4:
    """4-bit weights in the kernel's layout: blocks of channels, four inputs side by side."""

    name = "u4s8"

    def __init__(self, library: ctypes.CDLL, product: Product) -> None:
        self._kernel = library.quantvla_int4_linear
        self._kernel.argtypes = [
            *(_POINTER, _SIZE, _SIZE, _SIZE, _POINTER, _POINTER, _SIZE),
            *(ctypes.c_int, ctypes.c_float, _POINTER),
        ]
        self.rows, self._columns, self._limit = product.rows, product.columns, product.limit
        self._step = product.step or 0.0
        self._group = product.precision.group or self._columns
        columns = int(library.quantvla_int4_columns())
        blocks = (in_blocks(product.codes, columns) + OFFSET).to(torch.uint8)
        # Two channels half a block apart share a byte: [block, step, lane, input].
        low, high = (half.transpose(1, 2) for half in blocks.chunk(2, dim=1))
        self._weight = (low | (high << 4)).contiguous()
        self._scale = scales_in_blocks(product.scales, columns)

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return self._weight.nbytes + self._scale.nbytes

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        return run_kernel(
            self._kernel,
            x,
            self.rows,
            self._columns,
            self._group,
            self._weight.data_ptr(),
            self._scale.data_ptr(),
            self.rows,
            self._limit,
            self._step,
        )
