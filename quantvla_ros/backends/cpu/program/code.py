# SPDX-License-Identifier: Apache-2.0
"""Steps with memory: instructions in a row, with calls of PyTorch where there are none."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence

from quantvla_ros.backends.cpu.engine.instructions import Instruction
from quantvla_ros.backends.cpu.engine.layers import foresee
from quantvla_ros.backends.cpu.engine.library import Engine
from quantvla_ros.backends.cpu.program.arena import Block
from quantvla_ros.backends.cpu.program.encoding import encode
from quantvla_ros.backends.cpu.program.steps import Step


class Code:
    """A tape, ready to run.

    Attributes:
        by_torch: names of the nodes that PyTorch carries out.
    """

    def __init__(self, tape: Sequence[Step], block: Block, engine: Engine) -> None:
        """Give every step its addresses in a block."""
        self._engine, self._tape = engine, tape
        self.by_torch = [step.name for step in tape if step.op == "torch"]
        self._parts: list[ctypes.Array[Instruction] | Callable[[], None]] = []
        self._steps: list[list[Step]] = []  # of each part, one for every instruction
        pending: list[Instruction] = []
        owners: list[Step] = []
        for step in [*tape, None]:
            if step is not None and step.op != "torch":
                made = encode(step, block.address)
                pending += made
                owners += [step] * len(made)
                continue
            if pending:
                foresee(pending)
                self._parts.append((Instruction * len(pending))(*pending))
                self._steps.append(owners)
                pending, owners = [], []
            if step is not None:
                self._parts.append(_torch_call(step, block))
                self._steps.append([step])

    def run(self, threads: int) -> None:
        """Carry all out."""
        for part in self._parts:
            if isinstance(part, ctypes.Array):
                self._engine.run(part, threads)
            else:
                part()

    def timed(self, threads: int) -> list[tuple[Step, float]]:
        """Carry all out; seconds of every instruction, in order."""
        found: list[tuple[Step, float]] = []
        for part, steps in zip(self._parts, self._steps, strict=True):
            if isinstance(part, ctypes.Array):
                seconds = (ctypes.c_double * len(part))()
                self._engine.run(part, threads, seconds)
                found += zip(steps, seconds, strict=True)
            else:
                start = time.perf_counter()
                part()
                found.append((steps[0], time.perf_counter() - start))
        return found


def _torch_call(step: Step, block: Block) -> Callable[[], None]:
    reads = {name: block.view(tensor) for name, tensor in step.reads.items()}
    writes = [block.view(tensor) for tensor in step.writes.values()]

    def call() -> None:
        for out, result in zip(writes, step.weights(reads), strict=True):
            out.copy_(result)

    return call
