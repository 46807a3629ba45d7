# SPDX-License-Identifier: Apache-2.0
"""Call `int8_linear_avx2.c`, the 8-bit kernel for CPUs with AVX2 and no VNNI.

oneDNN is exact there too (`onednn_int8`), but about half as fast, because quantizing the
activations is a pass of its own.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from quantvla_ros.backends.packed_weight import Product

COLUMNS, DEPTH, ZERO_POINT = 16, 4, 64
_POINTER, _SIZE = ctypes.c_void_p, ctypes.c_long


class Avx2Int8:
    """int8 weights in the kernel's layout: blocks of 16 channels, four inputs side by side."""

    name = "avx2 u7s8"

    def __init__(self, library: ctypes.CDLL, product: Product) -> None:
        self._kernel = library.quantvla_int8_linear
        self._kernel.argtypes = [
            *(_POINTER, _SIZE, _SIZE, _POINTER, _POINTER, _POINTER, _SIZE),
            *(ctypes.c_float, _POINTER),
        ]
        self.rows, columns = product.rows, product.columns
        self._step = product.step or 0.0
        rows = -(-self.rows // COLUMNS) * COLUMNS
        depth = -(-columns // DEPTH) * DEPTH
        padded = torch.zeros(rows, depth, dtype=torch.int8)
        padded[: self.rows, :columns] = product.codes
        blocks = padded.view(rows // COLUMNS, COLUMNS, depth // DEPTH, DEPTH)
        self._weight = blocks.permute(0, 2, 1, 3).contiguous()
        self._shift = ZERO_POINT * padded.int().sum(dim=1, dtype=torch.int32)
        self._scale = torch.zeros(rows)
        self._scale[: self.rows] = product.scales[:, 0]

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return self._weight.nbytes + self._shift.nbytes + self._scale.nbytes

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]; activations are on the 7-bit grid."""
        x = x.contiguous()
        out = torch.empty(x.shape[0], self.rows)
        failed = self._kernel(
            x.data_ptr(),
            x.shape[0],
            x.shape[1],
            self._weight.data_ptr(),
            self._shift.data_ptr(),
            self._scale.data_ptr(),
            self.rows,
            self._step,
            out.data_ptr(),
        )
        if failed:
            raise MemoryError("no memory for the activations of an integer layer")
        return out
