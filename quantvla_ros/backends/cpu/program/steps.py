# SPDX-License-Identifier: Apache-2.0
"""What a program is made of: steps that read and write tensors which have no memory yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor


class Level(IntEnum):
    """How often a tensor is made; one that depends on a flow time and a chunk is made each step."""

    CONSTANT = 0
    TIME = 1
    CHUNK = 2
    STEP = 3


def joined(levels: Iterable[Level]) -> Level:
    """How often that is made which depends on all these."""
    found = set(levels) | {Level.CONSTANT}
    return Level.STEP if {Level.TIME, Level.CHUNK} <= found else max(found)


@dataclass(eq=False)
class Buffer:
    """Memory of a storage of PyTorch's meta device.

    Attributes:
        nbytes: its size.
        level: how often it is written.
    """

    nbytes: int
    level: Level


@dataclass(eq=False)
class Step:
    """One operation.

    Attributes:
        op: its name (see `encoding`), or "torch".
        reads: tensors by the names that the operation has for them; on the meta device, or
            constants.
        writes: the same, of its results.
        settings: numbers and words.
        weights: packed weights, or what "torch" calls with the tensors of `reads` in order.
        name: of the graph's node, for listings.
    """

    op: str
    reads: Mapping[str, Tensor]
    writes: Mapping[str, Tensor]
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights: Any = None
    name: str = ""


class Memory:
    """All buffers of a program. Views of a tensor share its storage, and so its buffer."""

    def __init__(self) -> None:
        self._buffers: dict[int, Buffer] = {}
        self._kept: list[Tensor] = []  # a storage that is freed could lend its number to another

    def new(
        self,
        shape: Iterable[int],
        level: Level,
        dtype: torch.dtype = torch.float32,
        strides: tuple[int, ...] | None = None,
    ) -> Tensor:
        """A tensor with a buffer of its own; contiguous unless strides are given."""
        shape = tuple(shape)
        if strides is None:
            tensor = torch.empty(shape, dtype=dtype, device="meta")
        else:
            tensor = torch.empty_strided(shape, strides, dtype=dtype, device="meta")
        self._kept.append(tensor)
        storage = tensor.untyped_storage()
        self._buffers[storage._cdata] = Buffer(storage.nbytes(), level)
        return tensor

    def buffer(self, tensor: Tensor) -> Buffer:
        """The buffer that a tensor lies in."""
        return self._buffers[tensor.untyped_storage()._cdata]

    def level(self, tensors: Iterable[Tensor | None]) -> Level:
        """How often that is made which depends on these tensors; those with memory are constant."""
        found = (t for t in tensors if t is not None and t.is_meta)
        return joined(self.buffer(t).level for t in found)

    @staticmethod
    def same(first: Tensor, second: Tensor) -> bool:
        """Whether two tensors lie in one buffer, such as a tensor and a view of it."""
        same: bool = first.untyped_storage()._cdata == second.untyped_storage()._cdata
        return same
