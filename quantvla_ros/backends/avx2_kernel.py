# SPDX-License-Identifier: Apache-2.0
"""Build and call `int8_linear_avx2.c`, the integer kernel for CPUs with AVX2 and no VNNI.

oneDNN is exact there too (`onednn_kernel`), but about half as fast, because quantizing the
activations is a pass of its own. The C file is compiled once and kept in the user's cache.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor

COLUMNS, DEPTH, ZERO_POINT = 16, 4, 64
FLAGS = ("-O3", "-mavx2", "-mfma", "-shared", "-fPIC", "-lm")

Kernel = Callable[..., int]


def _cache_directory() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "quantvla_ros" / "kernels"


@cache
def load_kernel() -> Kernel | None:
    """The compiled kernel, or None without AVX2 or without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return None
    source = resources.files("quantvla_ros.backends").joinpath("int8_linear_avx2.c").read_bytes()
    name = hashlib.sha256(source + " ".join(FLAGS).encode()).hexdigest()[:16]
    library = _cache_directory() / f"int8_linear_avx2_{name}.so"
    if not library.exists() and not _build(compiler, source, library):
        return None
    function = ctypes.CDLL(str(library)).quantvla_int8_linear
    pointer, size = ctypes.c_void_p, ctypes.c_long
    function.argtypes = [pointer, size, size, pointer, pointer, pointer, size, pointer]
    function.restype = ctypes.c_int
    kernel: Kernel = function
    return kernel


def _build(compiler: str, source: bytes, library: Path) -> bool:
    """Compile beside the final place and rename, so that two processes may build at once."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as directory:
        file, draft = Path(directory) / "kernel.c", Path(directory) / "kernel.so"
        file.write_bytes(source)
        command = [compiler, str(file), "-o", str(draft), *FLAGS]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        os.replace(draft, library)
    return True


class Avx2Weight:
    """int8 weights in the kernel's layout: blocks of 16 channels, four inputs side by side."""

    name = "avx2 u7s8"

    def __init__(self, kernel: Kernel, weight: Tensor, scale: Tensor) -> None:
        """Pack int8 weights [out, in] with their float32 scales [out]."""
        self._kernel = kernel
        self.rows, columns = weight.shape
        rows = -(-self.rows // COLUMNS) * COLUMNS
        depth = -(-columns // DEPTH) * DEPTH
        padded = torch.zeros(rows, depth, dtype=torch.int8)
        padded[: self.rows, :columns] = weight
        blocks = padded.view(rows // COLUMNS, COLUMNS, depth // DEPTH, DEPTH)
        self._weight = blocks.permute(0, 2, 1, 3).contiguous()
        self._shift = ZERO_POINT * padded.int().sum(dim=1, dtype=torch.int32)
        self._scale = torch.zeros(rows)
        self._scale[: self.rows] = scale

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return self._weight.nbytes + self._shift.nbytes + self._scale.nbytes

    def apply(self, x: Tensor) -> Tensor:
        """Quantize ``x`` float [M, in] per token on the 7-bit grid, multiply, scale."""
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
            out.data_ptr(),
        )
        if failed:
            raise MemoryError("no memory for the activations of an integer layer")
        return out
