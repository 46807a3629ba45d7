# SPDX-License-Identifier: Apache-2.0
"""Call `int8_linear.c`: 8-bit weights times integer activations, on one thread.

On x86 oneDNN is exact too (`onednn_int8`) and spreads over threads, but on one it is slower,
because quantizing the activations is several passes of its own.
"""

from __future__ import annotations

from ctypes import CDLL, c_float, c_int, c_long
from types import MappingProxyType

import torch
import torch.nn.functional as F

from quantvla_ros.backends.cpu.c_library import CProduct, in_blocks, native_unit
from quantvla_ros.backends.cpu.packed_weight import Product


class CInt8(CProduct):
    """int8 weights in the kernel's layout: blocks of channels, four inputs side by side.

    Exact for 7-bit activations, with VNNI and on Arm for 8-bit ones too.
    """

    NAMES = MappingProxyType(
        {"avx2": "avx2 u7s8", "vnni": "vnni u8s8", "neon": "neon s8s8", "sdot": "sdot s8s8"}
    )

    def __init__(self, library: CDLL, product: Product) -> None:
        self.name = self.NAMES[native_unit() or "avx2"]
        rows, limit = product.rows, product.limit
        blocks = in_blocks(product.codes, int(library.quantvla_int8_columns()))
        zero_point = int(library.quantvla_int8_zero_point(limit))
        shift = zero_point * blocks.sum(dim=(2, 3), dtype=torch.int32).flatten()
        scale = F.pad(product.scales[:, 0], (0, len(shift) - rows))
        tensors = blocks.permute(0, 2, 1, 3).contiguous(), shift, scale
        grid = c_long(rows), c_int(limit), c_float(product.step or 0.0)
        super().__init__(
            library.quantvla_int8_linear, rows, c_long(product.columns), *tensors, *grid
        )
