# SPDX-License-Identifier: Apache-2.0
"""Build the C kernels of this folder, once, into the user's cache, and load them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import ARM, has_dot_product, has_vnni

SOURCES = ("int8_linear.c", "int4_linear.c", "float_linear.c")
INCLUDED = ("lanes.c", "x86.c", "arm.c", "quantize_tokens.c")
FLAGS = ("-O3", "-shared", "-fPIC")
UNITS = {
    "avx2": ("-mavx2", "-mfma"),
    "vnni": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512vnni"),
    "neon": ("-march=armv8-a",),
    "sdot": ("-march=armv8.2-a+dotprod",),
}
"""Multiplying units of processors -> the flags of a compiler that uses them."""
DEPTH = 4  # inputs that the integer kernels take side by side


def c_compiler() -> str | None:
    """Path of the compiler that builds the kernels, or None."""
    return shutil.which("cc") or shutil.which("gcc")


def native_unit() -> str | None:
    """What multiplies in the kernels on this processor, a key of `UNITS`; None if nothing does."""
    if platform.machine() == ARM:
        return "sdot" if has_dot_product() else "neon"
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return None
    return "vnni" if has_vnni() else "avx2"


def adds_in_32_bits() -> bool:
    """True when 8-bit activations times 8-bit weights are exact: with VNNI, and on Arm."""
    return native_unit() in ("vnni", "neon", "sdot")


def load_library() -> ctypes.CDLL | None:
    """The compiled kernels, or None without AVX2 or Arm's NEON, or without a C compiler.

    Long work that ends with them calls this first: it must not end for want of a folder.

    Raises:
        QuantVLAError: there is no folder to build them in, or its disk is full.
    """
    unit = native_unit()
    return library_for(unit) if unit else None


@cache
def library_for(unit: str) -> ctypes.CDLL | None:
    """The same for a key of `UNITS`, which this processor must have."""
    compiler = c_compiler()
    if compiler is None:
        return None
    folder = resources.files("quantvla_ros.backends.cpu")
    texts = {name: folder.joinpath(name).read_bytes() for name in (*SOURCES, *INCLUDED)}
    flags = (*FLAGS, *UNITS[unit])
    name = hashlib.sha256(b"".join([*texts.values(), " ".join(flags).encode()])).hexdigest()[:16]
    library = cache_directory("kernels", executable=True) / f"kernels_{name}.so"
    try:
        if not library.exists() and not _build(compiler, texts, flags, library):
            return None
    except OSError as error:
        raise BackendError(
            f"the integer kernels cannot be built in '{library.parent}' ({error.strerror}); free "
            "some space, or set XDG_CACHE_HOME to another folder"
        ) from error
    return ctypes.CDLL(str(library))


def _build(compiler: str, texts: dict[str, bytes], flags: tuple[str, ...], library: Path) -> bool:
    """Compile beside the final place and rename, so that two processes may build at once."""
    with tempfile.TemporaryDirectory(dir=library.parent) as directory:
        for name, text in texts.items():
            (Path(directory) / name).write_bytes(text)
        draft = Path(directory) / "kernels.so"
        command = [compiler, *SOURCES, "-o", str(draft), *flags, "-lm"]
        if subprocess.run(command, capture_output=True, check=False, cwd=directory).returncode:
            return False
        os.replace(draft, library)
    return True


def in_blocks(codes: Tensor, columns: int) -> Tensor:
    """Pad codes [out, in] with zeros to blocks of channels: [blocks, columns, in / 4, 4]."""
    rows, depth = codes.shape
    padded = F.pad(codes, (0, -depth % DEPTH, 0, -rows % columns))
    return padded.view(-1, columns, padded.shape[1] // DEPTH, DEPTH)


def scales_in_blocks(scales: Tensor, columns: int) -> Tensor:
    """Pad scales [out, groups] with zeros to blocks of channels: [blocks, groups, columns]."""
    padded = F.pad(scales, (0, 0, 0, -scales.shape[0] % columns))
    return padded.view(-1, columns, scales.shape[1]).transpose(1, 2).contiguous()


class CProduct:
    """A weight in the layout of one C kernel (see `PackedWeight`)."""

    name: str

    def __init__(self, kernel: Any, rows: int, *arguments: Any) -> None:
        """Take a kernel of x, rows of x, `arguments`, out; it returns not zero without memory.

        Args:
            kernel: of the library.
            rows: output channels.
            arguments: ctypes values, and tensors that are held and given by their address.
        """
        self._kernel, self.rows = kernel, rows
        self._held = [a for a in arguments if isinstance(a, Tensor)]
        self._arguments = [
            ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else a for a in arguments
        ]

    @property
    def held_bytes(self) -> int:
        """Bytes of the packed tensors."""
        return sum(tensor.nbytes for tensor in self._held)

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        x, address, size = x.contiguous(), ctypes.c_void_p, ctypes.c_long
        out = torch.empty(x.shape[0], self.rows)
        given = address(x.data_ptr()), size(x.shape[0])
        if self._kernel(*given, *self._arguments, address(out.data_ptr())):
            raise MemoryError("no memory for the activations of an integer layer")
        return out
