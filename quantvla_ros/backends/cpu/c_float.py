# SPDX-License-Identifier: Apache-2.0
"""Call `float_linear.c`: integer weights times float activations."""

from __future__ import annotations

import platform
from ctypes import CDLL, c_int, c_long

import torch
import torch.nn.functional as F

from quantvla_ros.backends.cpu.c_library import CProduct, scales_in_blocks
from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.processor import ARM
from quantvla_ros.quantization.nibbles import OFFSET

COLUMNS = 16


class CFloat(CProduct):
    """Weights of 8 or 4 bits in the kernel's layout: blocks of 16 channels, input by input."""

    def __init__(self, library: CDLL, product: Product) -> None:
        kernel = library.quantvla_float_linear
        kernel.restype = None
        rows, columns = product.rows, product.columns
        bits = 4 if product.precision.packed else 8
        unit = "neon" if platform.machine() == ARM else "avx2"
        self.name = f"{unit} f32 on {bits}-bit weights"
        codes = F.pad(product.codes, (0, 0, 0, -rows % COLUMNS))
        weight = codes.view(-1, COLUMNS, columns).transpose(1, 2)
        if product.precision.packed:
            low, high = ((half + OFFSET).to(torch.uint8) for half in weight.chunk(2, dim=2))
            weight = low | (high << 4)
        scale = scales_in_blocks(product.scales, COLUMNS)
        sizes = c_long(columns), c_long(product.precision.group or columns), c_int(bits)
        super().__init__(kernel, rows, *sizes, weight.contiguous(), scale, c_long(rows))
