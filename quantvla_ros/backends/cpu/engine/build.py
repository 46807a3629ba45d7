# SPDX-License-Identifier: Apache-2.0
"""Compile the engine's C; knows nothing but the standard library, because setup.py runs it too."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FLAGS = (
    *("-std=gnu11", "-O3", "-shared", "-fPIC", "-fvisibility=hidden"),
    *("-pthread", "-fno-math-errno", "-Wno-psabi"),
)
UNITS = {
    "avx2": ("-mavx2", "-mfma"),
    "avxvnni": ("-mavx2", "-mfma", "-mavxvnni"),
    "vnni": ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512vnni"),
    "neon": ("-march=armv8-a",),
    "sdot": ("-march=armv8.2-a+dotprod",),
}
"""Multiplying units of processors -> the flags of a compiler that uses them."""
_OF_MACHINE = {"x86_64": ("avx2", "avxvnni", "vnni"), "aarch64": ("neon", "sdot")}


def c_compiler() -> str | None:
    """Path of the compiler that builds the engine, or None."""
    return shutil.which("cc") or shutil.which("gcc")


def file_name(unit: str) -> str:
    """Of the library for a unit; another for every other text and compiler flag."""
    texts = [path.read_bytes() for path in (*_sources(), *sorted(HERE.glob("*.h")))]
    flags = " ".join((*FLAGS, *UNITS[unit])).encode()
    return f"engine_{unit}_{hashlib.sha256(b''.join([*texts, flags])).hexdigest()[:16]}.so"


def build(compiler: str, unit: str, library: Path) -> str:
    """Compile beside the final place and rename, so that two processes may build at once.

    Returns:
        What the compiler says when it fails, else nothing.

    Raises:
        OSError: the folder cannot be written.
    """
    with tempfile.TemporaryDirectory(dir=library.parent) as directory:
        draft = Path(directory) / library.name
        command = [compiler, *map(str, _sources()), "-o", str(draft)]
        command += [*FLAGS, *UNITS[unit], "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip() or "it says nothing"
        os.replace(draft, library)
    return ""


def build_all(folder: Path) -> list[Path]:
    """Libraries for every unit of this architecture that its compiler knows.

    Args:
        folder: where they are written.
    """
    compiler, built = c_compiler(), []
    for unit in _OF_MACHINE.get(platform.machine(), ()) if compiler else ():
        library = folder / file_name(unit)
        if not build(str(compiler), unit, library):
            built.append(library)
    return built


def _sources() -> list[Path]:
    return sorted(HERE.glob("*.c"))
