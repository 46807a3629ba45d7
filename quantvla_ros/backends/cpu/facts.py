# SPDX-License-Identifier: Apache-2.0
"""Facts of integer units and the engine for `quantvla doctor`; imports no torch."""

from __future__ import annotations

import platform

from quantvla_ros.backends.base import Fact
from quantvla_ros.backends.cpu.engine.build import HERE, c_compiler
from quantvla_ros.cache_directory import cache_directory
from quantvla_ros.errors import BackendError
from quantvla_ros.processor import ARM, cpu_flags, has_dot_product

REMEDY = "sudo apt install gcc"


def integer_units() -> Fact:
    """What multiplies integers here."""
    name, flags = "integer units", cpu_flags()
    if platform.machine() == ARM:
        return (
            Fact(name, "good", "dot product instructions: activations of 8 bits")
            if has_dot_product()
            else Fact(name, "note", "NEON without dot product: 8 bits, less speed to gain")
        )
    if flags & {"avx512_vnni", "avx_vnni"}:
        return Fact(name, "good", "VNNI: activations of 8 bits")
    if "avx2" in flags:
        return Fact(name, "note", "AVX2 without VNNI: 7 bits, less speed to gain")
    remedy = "use --backend reference, or a machine with AVX2"
    return Fact(name, "bad", "neither VNNI nor AVX2", remedy)


def engine() -> Fact:
    """The engine, which comes with the package or is built at the first use."""
    if _built():
        return Fact("CPU engine", "good", "compiled for this package")
    if compiler := c_compiler():
        return Fact("CPU engine", "good", f"built at the first use by {compiler}")
    text = "it did not come with the package, and there is no C compiler"
    return Fact("CPU engine", "bad", text, REMEDY)


def check_engine() -> None:
    """Refuse to begin work that ends in a policy which nothing here can run; takes a moment.

    Raises:
        BackendError: there is neither an engine nor a compiler that can build it.
    """
    if engine().status == "bad":
        raise BackendError(
            "the engine of backend 'cpu' did not come with the package and there is no C compiler "
            f"to build it; install one ({REMEDY}), or choose another backend"
        )


def _built() -> bool:
    """Whether an engine came with the package or was built here before."""
    folders = (HERE, cache_directory("engine", executable=True))
    return any(True for folder in folders for _ in folder.glob("engine_*.so"))
