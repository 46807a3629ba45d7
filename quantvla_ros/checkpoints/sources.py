# SPDX-License-Identifier: Apache-2.0
"""Tensors of safetensors files that are read when they are asked for."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quantvla_ros.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
_LONGEST_HEADER = 100_000_000  # bytes; safetensors' own limit


class Source(Protocol):
    """A tensor that is not read yet."""

    def read(self) -> Tensor:
        """The tensor; whoever holds it holds its memory."""
        ...

    def meta(self) -> Tensor:
        """Its type and shape, on torch's meta device; nothing is read."""
        ...


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        file: safetensors.
        start: place of its first byte in the file.
        end: behind its last byte.
        dtype: PyTorch's name.
        shape: of the tensor.
    """

    file: Path
    start: int
    end: int
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> Tensor:
        """Map it: pages are read when they are used, and freed with the tensor."""
        import torch

        kind = getattr(torch, self.dtype)
        if self.start == self.end:
            return torch.empty(self.shape, dtype=kind)
        # "c": a page that is written is copied. numpy knows no bfloat16, so the bytes are mapped.
        mapped = np.memmap(self.file, np.uint8, "c", self.start, (self.end - self.start,))
        return torch.from_numpy(mapped).view(kind).view(self.shape)

    def meta(self) -> Tensor:
        """See `Source.meta`."""
        import torch

        return torch.empty(self.shape, dtype=getattr(torch, self.dtype), device="meta")


@dataclass(frozen=True)
class TensorFile:
    """What a safetensors file says of itself.

    Attributes:
        path: of the file.
        tensors: by name as stored.
        metadata: of the header; LeRobot and Transformers name dropped tied tensors there.
    """

    path: Path
    tensors: dict[str, StoredTensor]
    metadata: dict[str, str]


def read_tensor_file(path: Path) -> TensorFile:
    """Read the header of a safetensors file.

    Raises:
        CheckpointError: it cannot be read, is cut off or damaged, or holds an unknown type.
    """
    try:
        with path.open("rb") as opened:
            (size,) = struct.unpack("<Q", opened.read(8))
            if size > min(path.stat().st_size, _LONGEST_HEADER):
                raise ValueError("its header is longer than the file")
            header: dict[str, Any] = json.loads(opened.read(size))
        metadata = {str(k): str(v) for k, v in (header.pop("__metadata__", None) or {}).items()}
        tensors = {name: _stored(path, 8 + size, entry) for name, entry in header.items()}
        _check_size(path, 8 + size, tensors)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}); copy the checkpoint again"
        ) from error
    except (ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}); copy the checkpoint again"
        ) from error
    return TensorFile(path, tensors, metadata)


def _stored(path: Path, behind_header: int, entry: Mapping[str, Any]) -> StoredTensor:
    kind, (first, end) = str(entry["dtype"]), entry["data_offsets"]
    if kind not in _TYPES:
        raise ValueError(f"a tensor is of the unknown type {kind}")
    shape = tuple(int(side) for side in entry["shape"])
    stored = StoredTensor(path, behind_header + first, behind_header + end, _TYPES[kind], shape)
    if stored.meta().nbytes != end - first:
        raise ValueError("a tensor's bytes do not fit its shape")
    return stored


def _check_size(path: Path, behind_header: int, tensors: Mapping[str, StoredTensor]) -> None:
    ends = max((one.end for one in tensors.values()), default=behind_header)
    size = path.stat().st_size
    if size < ends:
        raise ValueError(f"it has {size} bytes and should have {ends}")
