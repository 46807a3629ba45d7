# SPDX-License-Identifier: Apache-2.0
"""Call `int8_linear.c`: 8-bit weights times integer activations, on one thread.

On x86 oneDNN is exact too (`onednn_int8`) and spreads over threads, but on one it is slower,
because quantizing the activations is several passes of its own.
"""

from __future__ import annotations

import ctypes
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from quantvla_ros.backends.cpu.c_library import in_blocks, native_unit, run_kernel
from quantvla_ros.backends.cpu.packed_weight import Product

_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_long


class CInt8:
    """int8 weights in the kernel's layout: blocks of channels, four inputs side by side.

    Exact for 7-bit activations, with VNNI and on Arm for 8-bit ones too.
    """

    NAMES = MappingProxyType(
        {"avx2": "avx2 u7s8", "vnni": "vnni u8s8", "neon": "neon s8s8", "sdot": "sdot s8s8"}
    )

    def __init__(self, library: ctypes.CDLL, product: Product) -> None:
        self._kernel = library.quantvla_int8_linear
        self._kernel.argtypes = [
            *(_POINTER, _SIZE, _SIZE, _POINTER, _POINTER, _POINTER, _SIZE),
            *(ctypes.c_int, ctypes.c_float, _POINTER),
        ]
        self.name = self.NAMES[native_unit() or "avx2"]
        self.rows, self._columns, self._limit = product.rows, product.columns, product.limit
        self._step = product.step or 0.0
        blocks = in_blocks(product.codes, int(library.quantvla_int8_columns()))
        self._weight = blocks.permute(0, 2, 1, 3).contiguous()
        zero_point = int(library.quantvla_int8_zero_point(self._limit))
        self._shift = zero_point * blocks.sum(dim=(2, 3), dtype=torch.int32).flatten()
        self._scale = F.pad(product.scales[:, 0], (0, len(self._shift) - self.rows))

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return self._weight.nbytes + self._shift.nbytes + self._scale.nbytes

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        return run_kernel(
            self._kernel,
            x,
            self.rows,
            self._columns,
            self._weight.data_ptr(),
            self._shift.data_ptr(),
            self._scale.data_ptr(),
            self.rows,
            self._limit,
            self._step,
        )
