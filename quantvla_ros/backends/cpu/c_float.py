# SPDX-License-Identifier: Apache-2.0
"""Call `float_linear.c`: integer weights times float activations."""

from __future__ import annotations

import ctypes
import platform

import torch
import torch.nn.functional as F
from torch import Tensor

from quantvla_ros.backends.cpu.c_library import run_kernel, scales_in_blocks
from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.processor import ARM
from quantvla_ros.quantization.nibbles import OFFSET

COLUMNS = 16
_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_long


class CFloat:
    """Weights of 8 or 4 bits in the kernel's layout: blocks of 16 channels, input by input."""

    def __init__(self, library: ctypes.CDLL, product: Product) -> None:
        self._kernel = library.quantvla_float_linear
        self._kernel.argtypes = [
            *(_POINTER, _SIZE, _SIZE, _SIZE, ctypes.c_int),
            *(_POINTER, _POINTER, _SIZE, _POINTER),
        ]
        self._kernel.restype = None
        self.rows, self._columns = product.rows, product.columns
        self._group = product.precision.group or self._columns
        self._bits = 4 if product.precision.packed else 8
        unit = "neon" if platform.machine() == ARM else "avx2"
        self.name = f"{unit} f32 on {self._bits}-bit weights"
        codes = F.pad(product.codes, (0, 0, 0, -self.rows % COLUMNS))
        weight = codes.view(-1, COLUMNS, self._columns).transpose(1, 2)
        if product.precision.packed:
            low, high = ((half + OFFSET).to(torch.uint8) for half in weight.chunk(2, dim=2))
            weight = low | (high << 4)
        self._weight = weight.contiguous()
        self._scale = scales_in_blocks(product.scales, COLUMNS)

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
            self._bits,
            self._weight.data_ptr(),
            self._scale.data_ptr(),
            self.rows,
        )
