# SPDX-License-Identifier: Apache-2.0
"""Load the engine: the library that was built with the package, or one built here at first use."""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from pathlib import Path

import torch

from quantvla_ros.backends.cpu.engine import build
from quantvla_ros.backends.cpu.engine.instructions import Instruction
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import ARM, cpu_flags, has_dot_product, has_vnni

REMEDY = "sudo apt install gcc"


def native_unit() -> str | None:
    """What multiplies on this processor, a key of `build.UNITS`; None if nothing here does."""
    if platform.machine() == ARM:
        return "sdot" if has_dot_product() else "neon"
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return None
    if has_vnni():
        return "vnni"
    pretended = "ATEN_CPU_CAPABILITY" in os.environ
    return "avxvnni" if "avx_vnni" in cpu_flags() and not pretended else "avx2"


def adds_in_32_bits() -> bool:
    """True when 8-bit activations times 8-bit weights are exact: with VNNI, and on Arm."""
    return native_unit() in ("vnni", "avxvnni", "neon", "sdot")


class Engine:
    """The library for one unit.

    Attributes:
        unit: key of `build.UNITS`.
        columns: output channels of a block of weights.
    """

    def __init__(self, unit: str, path: Path) -> None:
        """Load it; the processor must have the unit."""
        self._library = ctypes.CDLL(str(path))
        self._library.quantvla_run.argtypes = [
            ctypes.POINTER(Instruction),
            ctypes.c_long,
            ctypes.c_int,
            ctypes.POINTER(ctypes.c_double),
        ]
        self.unit = unit
        self.columns = int(self._library.quantvla_columns())

    def zero_point(self, limit: int) -> int:
        """What is added to activations of the grid -limit..limit before they are multiplied."""
        return int(self._library.quantvla_zero_point(limit))

    def run(
        self,
        code: ctypes.Array[Instruction],
        threads: int = 1,
        seconds: ctypes.Array[ctypes.c_double] | None = None,
    ) -> None:
        """Carry out instructions.

        Args:
            code: in order.
            threads: among which each is divided; the results are the same for any number.
            seconds: what each takes is added to its element.

        Raises:
            RuntimeError: one cannot be carried out; it names its index.
        """
        failed = self._library.quantvla_run(code, len(code), threads, seconds)
        if failed < 0:
            raise RuntimeError(f"the engine cannot start {threads} threads")
        if failed:
            raise RuntimeError(
                f"instruction {failed - 1} (operation {code[failed - 1].op}) cannot be carried out"
            )


def load_engine() -> Engine:
    """The engine of this processor.

    Raises:
        QuantVLAError: it has none, or it cannot be built; the sentence says what helps.
    """
    unit = native_unit()
    if unit is None:
        raise BackendError(
            "the CPU backend needs AVX2 or a 64-bit Arm processor; choose another backend"
        )
    return engine_for(unit)


@cache
def engine_for(unit: str) -> Engine:
    """The same for a key of `build.UNITS`, which this processor must have."""
    return Engine(unit, shipped(unit) or _built_here(unit))


def shipped(unit: str) -> Path | None:
    """The library that was installed with the package; None in a source checkout."""
    path = build.HERE / build.file_name(unit)
    return path if path.exists() else None


def _built_here(unit: str) -> Path:
    folder = cache_directory("engine", executable=True)
    path = folder / build.file_name(unit)
    if path.exists():
        return path
    compiler = build.c_compiler()
    if compiler is None:
        raise BackendError(
            "the engine of the CPU backend was not built with the package, and there is no C "
            f"compiler to build it now; install one ({REMEDY})"
        )
    try:
        said = build.build(compiler, unit, path)
    except OSError as error:
        raise BackendError(
            f"the engine of the CPU backend cannot be built in '{folder}' ({error.strerror}); free "
            "some space, or set XDG_CACHE_HOME to another folder"
        ) from error
    if said:
        raise BackendError(
            f"the C compiler '{compiler}' does not build the engine of the CPU backend: {said}"
        )
    return path
