# SPDX-License-Identifier: Apache-2.0
"""Build the C kernels of this folder, once, into the user's cache, and load them."""

from __future__ import annotations

import ctypes
import hashlib
import os
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
from quantvla_ros.processor import has_vnni

SOURCES = ("int8_linear.c", "int4_linear.c", "float_linear.c")
INCLUDED = ("integer_lanes.c", "quantize_tokens.c")
FLAGS = ("-O3", "-mavx2", "-mfma", "-shared", "-fPIC")
DEPTH = 4  # inputs that the integer kernels take side by side
VNNI_FLAGS = ("-mavx512f", "-mavx512vl", "-mavx512vnni")


def c_compiler() -> str | None:
    """Path of the compiler that builds the kernels, or None."""
    return shutil.which("cc") or shutil.which("gcc")


def load_library() -> ctypes.CDLL | None:
    """The compiled kernels, or None without AVX2 or without a C compiler.

    Long work that ends with them calls this first: it must not end for want of a folder.

    Raises:
        QuantVLAError: there is no folder to build them in, or its disk is full.
    """
    return library_for(has_vnni())


@cache
def library_for(vnni: bool) -> ctypes.CDLL | None:
    """The same, with VNNI or without."""
    compiler = c_compiler()
    if compiler is None or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return None
    folder = resources.files("quantvla_ros.backends.cpu")
    texts = {name: folder.joinpath(name).read_bytes() for name in (*SOURCES, *INCLUDED)}
    flags = (*FLAGS, *VNNI_FLAGS) if vnni else FLAGS
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


def run_kernel(kernel: Any, x: Tensor, rows: int, *arguments: Any) -> Tensor:
    """Call a kernel: float [M, in] to float [M, rows].

    Args:
        kernel: takes x, M, the arguments, and where to write; returns not zero without memory.
        x: float [M, in].
        rows: output channels.
        arguments: of this kernel.
    """
    x = x.contiguous()
    out = torch.empty(x.shape[0], rows)
    if kernel(x.data_ptr(), x.shape[0], *arguments, out.data_ptr()):
        raise MemoryError("no memory for the activations of an integer layer")
    return out
