# SPDX-License-Identifier: Apache-2.0
"""Call `int4_linear.c`: 4-bit weights, unpacked in registers, times integer activations."""

from __future__ import annotations

from ctypes import CDLL, c_float, c_int, c_long

import torch

from quantvla_ros.backends.cpu.c_library import CProduct, in_blocks, scales_in_blocks
from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.quantization.nibbles import OFFSET


class CInt4(CProduct):
    """4-bit weights in the kernel's layout: blocks of channels, four inputs side by side."""

    name = "u4s8"

    def __init__(self, library: CDLL, product: Product) -> None:
        columns = int(library.quantvla_int4_columns())
        blocks = (in_blocks(product.codes, columns) + OFFSET).to(torch.uint8)
        # Two channels half a block apart share a byte: [block, step, lane, input].
        low, high = (half.transpose(1, 2) for half in blocks.chunk(2, dim=1))
        weight, scale = (low | (high << 4)).contiguous(), scales_in_blocks(product.scales, columns)
        sizes = c_long(product.columns), c_long(product.precision.group or product.columns)
        grid = c_int(product.limit), c_float(product.step or 0.0)
        rows = product.rows
        super().__init__(
            library.quantvla_int4_linear, rows, *sizes, weight, scale, c_long(rows), *grid
        )
