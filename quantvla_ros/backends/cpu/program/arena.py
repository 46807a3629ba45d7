# SPDX-License-Identifier: Apache-2.0
"""Places of all buffers in one block; those that are never needed together share theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from quantvla_ros.backends.cpu.program.steps import Buffer, Level, Memory, Step

ALIGNMENT = 64


@dataclass
class _Life:
    """First and last moment at which a buffer is needed."""

    first: int
    last: int


@dataclass(frozen=True)
class Layout:
    """Where buffers lie.

    Attributes:
        offsets: byte of each buffer.
        nbytes: of the whole block.
        time: first byte and end of what flow times change.
    """

    offsets: Mapping[Buffer, int]
    nbytes: int
    time: tuple[int, int]


def lay_out(
    memory: Memory,
    tapes: Mapping[Level, Sequence[Step]],
    inputs: Iterable[Tensor],
    outputs: Iterable[Tensor],
    reuse: bool = True,
) -> Layout:
    """Give every buffer a place.

    What is made once, and what flow times change, lies apart, at the block's beginning, and shares
    nothing: it is kept from chunk to chunk.

    Args:
        memory: of the program.
        tapes: steps of each level, in order.
        inputs: written before the tape of their level runs.
        outputs: read after the last tape.
        reuse: let buffers share places.
    """
    lives = _lives(memory, tapes, inputs, outputs)
    offsets: dict[Buffer, int] = {}
    begin = end = 0
    for level in (Level.CONSTANT, Level.TIME):
        begin = end
        for buffer in (b for b in lives if b.level == level):
            offsets[buffer], end = end, end + _aligned(buffer.nbytes)
    time = (begin, end)
    placed: list[tuple[int, int, _Life]] = []
    shared = [buffer for buffer in lives if buffer not in offsets]
    for buffer in sorted(shared, key=lambda b: b.nbytes, reverse=True):
        life, size = lives[buffer], _aligned(buffer.nbytes)
        taken = sorted(
            (first, last)
            for first, last, other in placed
            if not reuse or (life.first <= other.last and other.first <= life.last)
        )
        offset = time[1]
        for first, last in taken:
            if offset + size <= first:
                break
            offset = max(offset, last)
        offsets[buffer] = offset
        placed.append((offset, offset + size, life))
        end = max(end, offset + size)
    return Layout(offsets, end, time)


def _aligned(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


def _lives(
    memory: Memory,
    tapes: Mapping[Level, Sequence[Step]],
    inputs: Iterable[Tensor],
    outputs: Iterable[Tensor],
) -> dict[Buffer, _Life]:
    """Moments are numbers of steps: the chunk's tape first, then the step's, which runs again."""
    chunk = len(tapes[Level.CHUNK])
    end = chunk + len(tapes[Level.STEP])
    begins = {Level.CONSTANT: 0, Level.TIME: 0, Level.CHUNK: 0, Level.STEP: chunk}
    lives: dict[Buffer, _Life] = {}

    def need(tensor: Tensor, moment: int) -> None:
        if tensor.is_meta:
            buffer = memory.buffer(tensor)
            life = lives.setdefault(buffer, _Life(moment, moment))
            # What a chunk shares must outlast all its steps, the ones before this moment too.
            lasts = moment >= chunk and buffer.level == Level.CHUNK
            life.first = min(life.first, moment)
            life.last = max(life.last, end if lasts else moment)

    for tensor in inputs:
        need(tensor, begins[memory.buffer(tensor).level] if tensor.is_meta else 0)
    for level, tape in tapes.items():
        for moment, step in enumerate(tape, begins[level]):
            for tensor in (*step.reads.values(), *step.writes.values()):
                need(tensor, moment)
    for tensor in outputs:
        need(tensor, end)
    return lives


class Block:
    """The memory of a program."""

    def __init__(self, memory: Memory, layout: Layout) -> None:
        self._memory, self.layout = memory, layout
        # Larger than needed by one alignment: PyTorch promises less than a whole cache line.
        self._bytes = torch.zeros(layout.nbytes + ALIGNMENT, dtype=torch.uint8)
        self._start = -self._bytes.data_ptr() % ALIGNMENT

    def address(self, tensor: Tensor) -> int:
        """Where a tensor begins; constants lie where they are."""
        if not tensor.is_meta:
            return tensor.data_ptr()
        offset = self.layout.offsets[self._memory.buffer(tensor)]
        begin = int(tensor.storage_offset()) * tensor.element_size()
        return self._bytes.data_ptr() + self._start + offset + begin

    def view(self, tensor: Tensor) -> Tensor:
        """The tensor itself, on this memory."""
        if not tensor.is_meta:
            return tensor
        buffer = self._memory.buffer(tensor)
        first = self._start + self.layout.offsets[buffer]
        whole = self._bytes[first : first + buffer.nbytes].view(tensor.dtype)
        return whole.as_strided(
            tensor.shape, tensor.stride(), whole.storage_offset() + tensor.storage_offset()
        )

    def times(self) -> Tensor:
        """Bytes of all that flow times change."""
        first, end = self.layout.time
        return self._bytes[self._start + first : self._start + end]
