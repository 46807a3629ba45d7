# SPDX-License-Identifier: Apache-2.0
"""The engine on every kind of processor: this one's units, and Arm's in an emulator (qemu-user)."""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from quantvla_ros.backends.cpu.engine import build
from quantvla_ros.backends.cpu.engine.instructions import Instruction
from quantvla_ros.backends.cpu.engine.library import engine_for, native_unit

EMULATED = {"neon": "cortex-a72", "sdot": "cortex-a76"}  # processors without sdot, with it
COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = next(filter(shutil.which, ("qemu-aarch64-static", "qemu-aarch64")), "qemu-aarch64")
ALIGNMENT, GUARD, POISON, BYTES = 64, 64, 0xFF, 1 << 21  # floats and ints of this poison are odd


def units() -> list[str]:
    """All that can be tried here."""
    native = native_unit()
    own = {"vnni": ["vnni", "avx2"], "avxvnni": ["avxvnni", "avx2"], "sdot": ["sdot", "neon"]}
    here = own.get(native, [native]) if native else []
    return here + [unit for unit in EMULATED if unit not in here]


class Machine:
    """Memory that instructions may name, and what carries them out."""

    def __init__(self, unit: str, threads: int) -> None:
        self.unit, self.threads = unit, threads
        whole = torch.full((BYTES + ALIGNMENT,), POISON, dtype=torch.uint8)
        self._memory = whole[-whole.data_ptr() % ALIGNMENT :][:BYTES]
        self._end, self._guards = 0, []
        self._emulated = unit in EMULATED and native_unit() not in EMULATED
        if self._emulated:
            self.columns, *zeros = map(int, _said(_program(unit), unit).split())
        else:
            engine = engine_for(unit)
            self.columns, zeros = engine.columns, [engine.zero_point(127), engine.zero_point(63)]
        self._zeros = dict(zip((127, 63), zeros, strict=True))

    def zero_point(self, limit: int) -> int:
        return self._zeros[limit]

    def room(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Memory that holds nothing useful yet."""
        size = torch.Size(shape).numel() * dtype.itemsize
        start, self._end = self._end, -(-(self._end + size + GUARD) // ALIGNMENT) * ALIGNMENT
        assert self._end <= BYTES, "the test needs more memory"
        self._guards.append(slice(start + size, self._end))
        return self._memory[start : start + size].view(dtype).view(shape)

    def put(self, values: Tensor) -> Tensor:
        """A copy of a tensor."""
        return self.room(*values.shape, dtype=values.dtype).copy_(values)

    def hold(self, weights):
        """Packed weights with copies of their tensors."""
        held = {f.name: getattr(weights, f.name) for f in fields(weights)}
        return replace(
            weights, **{k: self.put(v) for k, v in held.items() if isinstance(v, Tensor)}
        )

    def run(self, *instructions: Instruction) -> None:
        """Carry them out; nothing may be written beside what `room` gave."""
        code = (Instruction * len(instructions))(*instructions)
        if self._emulated:
            self._emulate(code)
        else:
            engine_for(self.unit).run(code, self.threads)
        for guard in self._guards:
            assert bool((self._memory[guard] == POISON).all()), "memory beyond an output"

    def _emulate(self, code) -> None:
        head = struct.pack("4q", len(code), self.threads, self._memory.data_ptr(), self._end)
        used = self._memory[: self._end]
        with tempfile.NamedTemporaryFile() as file:
            file.write(head + bytes(code) + used.numpy().tobytes())
            file.flush()
            failed = int(_said(_program(self.unit), self.unit, file.name))
            if failed:
                raise RuntimeError(f"instruction {failed - 1}")
            file.seek(len(head) + len(bytes(code)))
            after = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
        used.copy_(after)


@cache
def _program(unit: str) -> str:
    for needed in (COMPILER, EMULATOR):
        if shutil.which(needed) is None:
            pytest.skip(f"needs {needed}; make test-arm says where it comes from")
    program = tempfile.mkdtemp() + f"/{unit}"
    sources = [Path(__file__).with_name("run_image.c"), *sorted(build.HERE.glob("*.c"))]
    flags = [flag for flag in build.FLAGS if flag not in ("-shared", "-fPIC")]
    command = [COMPILER, "-static", "-Wall", "-Wextra", "-Werror", f"-I{build.HERE}", *flags]
    command += [*build.UNITS[unit], *map(str, sources), "-o", program, "-lm"]
    subprocess.run(command, check=True)
    return program


def _said(program: str, unit: str, *arguments: str) -> str:
    command = [EMULATOR, "-cpu", EMULATED[unit], program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout
