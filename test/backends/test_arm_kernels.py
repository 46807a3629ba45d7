# SPDX-License-Identifier: Apache-2.0
"""The C kernels of every processor against int64 arithmetic; Arm's in an emulator (qemu-user)."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from quantvla_ros.backends.cpu import c_library
from quantvla_ros.backends.cpu.c_library import SOURCES, UNITS, native_unit

PROGRAM = Path(__file__).parents[1] / "support" / "exact_kernels.c"
ARM_COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = next(filter(shutil.which, ("qemu-aarch64-static", "qemu-aarch64")), "qemu-aarch64")
PROCESSORS = {"neon": "cortex-a72", "sdot": "cortex-a76"}  # an emulated one without sdot, with it


def built(unit: str, compiler: str, folder: Path) -> str:
    kernels = Path(c_library.__file__).parent
    sources = [str(PROGRAM), *(str(kernels / name) for name in SOURCES)]
    flags = ["-O3", "-static", "-Wall", "-Werror", *UNITS[unit]]
    program = str(folder / unit)
    subprocess.run([compiler, *flags, *sources, "-o", program, "-lm"], check=True)
    return program


def said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("unit", PROCESSORS)
def test_kernels_for_arm_are_exact_with_all_eight_bits(unit, tmp_path):
    for needed in (ARM_COMPILER, EMULATOR):
        if shutil.which(needed) is None:
            pytest.skip(f"needs {needed}; make test-arm says where it comes from")
    program = built(unit, ARM_COMPILER, tmp_path)
    assert said(EMULATOR, "-cpu", PROCESSORS[unit], program, "127").endswith("are exact\n")


def test_the_program_finds_what_saturates(tmp_path):
    """AVX2 adds pairs in 16 bits: exact on the 7-bit grid, and wrong beyond it."""
    if native_unit() not in ("avx2", "vnni") or shutil.which("cc") is None:
        pytest.skip("needs AVX2 and a C compiler")
    program = built("avx2", "cc", tmp_path)
    assert said(program, "63").endswith("are exact\n")
    assert subprocess.run([program, "127"], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize(("dot_product", "unit"), [(True, "sdot"), (False, "neon")])
def test_arm_takes_its_dot_product_where_it_has_one(monkeypatch, dot_product, unit):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(c_library, "has_dot_product", lambda: dot_product)
    assert native_unit() == unit
    assert c_library.adds_in_32_bits()
