# SPDX-License-Identifier: Apache-2.0
"""Facts of integer units and compilers for `quantvla doctor`; imports no torch."""

from __future__ import annotations

import platform
import shutil

from quantvla_ros.backends.base import Fact
from quantvla_ros.backends.cpu.compiler import REMEDY, compiler_name, why_not_compiling
from quantvla_ros.processor import ARM, cpu_flags, has_dot_product


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


def cpp_compiler() -> Fact:
    """C++, for the policy as a whole."""
    if why := why_not_compiling():
        return Fact("C++ compiler", "bad", f"no policy can be compiled: {why}", REMEDY)
    return Fact("C++ compiler", "good", compiler_name())


def c_compiler() -> Fact:
    """C, for the integer kernels."""
    if found := shutil.which("cc") or shutil.which("gcc"):
        return Fact("C compiler", "good", found)
    text = "none: INT8 runs on PyTorch's kernels, on Arm slowly; INT4 and 16-bit activations slowly"
    return Fact("C compiler", "note", text, "sudo apt install gcc")
