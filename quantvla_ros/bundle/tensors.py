# SPDX-License-Identifier: Apache-2.0
"""The tensors of a bundle, `weights.safetensors`: their types, their values, their place."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quantvla_ros.errors import BundleError

if TYPE_CHECKING:
    import torch

WEIGHTS = "weights.safetensors"
TYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16", "I8": "int8", "U8": "uint8"}
"""Floats, and the integers of quantized layers; safetensors' name -> PyTorch's."""
_CHECKED = 1 << 20  # numbers


def check_types(path: Path) -> None:
    """Refuse a bundle with a tensor of a type that no network here holds; reads no weights.

    A float64 or an integer that became float32 in silence would be another number, and fp8 has no
    arithmetic of its own on most CPUs.

    Raises:
        BundleError: names the tensor and its type; or the file cannot be read.
    """
    for name, entry in tensor_header(path).items():
        if entry["dtype"] not in TYPES:
            raise _wrong_type(path / WEIGHTS, name, entry["dtype"])


def check_tensor(where: Path, name: str, tensor: torch.Tensor) -> None:
    """Refuse a tensor that no bundle may hold.

    Raises:
        BundleError: it is not finite or of a wrong type; its name is in the text.
    """
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in TYPES.values():
        raise _wrong_type(where, name, kind)
    _check_finite(where, name, tensor)


def _wrong_type(where: Path, name: str, kind: str) -> BundleError:
    return BundleError(
        f"tensor '{name}' of {where} is of type {kind}, and a bundle holds "
        f"{', '.join(TYPES.values())}; convert it and make the bundle again"
    )


def tensor_header(path: Path) -> dict[str, dict[str, Any]]:
    """Type, shape and offsets of each tensor of a bundle, by name; its weights stay on disk.

    Raises:
        BundleError: the file cannot be read.
    """
    file = path / WEIGHTS
    try:
        header, _ = _header(file)
        if not all(isinstance(entry["dtype"], str) for entry in header.values()):
            raise ValueError("its header is damaged")
    except (OSError, ValueError, struct.error, AttributeError, TypeError, KeyError) as error:
        raise BundleError(f"{file} cannot be read ({error}); make the bundle again") from error
    return header


def _header(file: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """What the file says of its tensors, and where their bytes begin."""
    with file.open("rb") as opened:
        (size,) = struct.unpack("<Q", opened.read(8))
        if size > file.stat().st_size:
            raise ValueError("its header is longer than the file")
        header: dict[str, dict[str, Any]] = json.loads(opened.read(size))
    header.pop("__metadata__", None)
    return header, 8 + size


def check_tensors(
    tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    """Compare the bundle's tensors with those that its network has.

    Args:
        tensors: of the bundle.
        expected: what the network has in their places, of any values.

    Raises:
        BundleError: one is missing, too many, of another shape, or float in place of integers or
            the other way round; its name is in the text.
    """
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise BundleError(
            f"{WEIGHTS} lacks tensor '{missing[0]}' ({len(missing)} missing in all); "
            "make the bundle again"
        )
    extra = sorted(set(tensors) - set(expected))
    if extra:
        raise BundleError(
            f"{WEIGHTS} holds tensor '{extra[0]}', which the network does not have "
            f"({len(extra)} too many in all); make the bundle again"
        )
    for name, place in expected.items():
        tensor = tensors[name]
        if tensor.shape != place.shape:
            raise BundleError(
                f"tensor '{name}' of {WEIGHTS} has shape {tuple(tensor.shape)}, the "
                f"network expects {tuple(place.shape)}; make the bundle again"
            )
        both_float = tensor.is_floating_point() and place.is_floating_point()
        if not both_float and tensor.dtype != place.dtype:
            raise BundleError(
                f"tensor '{name}' of {WEIGHTS} is of type {tensor.dtype}, the network expects "
                f"{place.dtype}; make the bundle again"
            )


def _check_finite(where: Path, name: str, tensor: torch.Tensor) -> None:
    if not tensor.is_floating_point():
        return
    for part in tensor.flatten().split(_CHECKED):  # a check of the whole makes a copy of it
        if not bool(part.isfinite().all()):
            raise BundleError(
                f"tensor '{name}' of {where} holds NaN or infinity; make the bundle again"
            )


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of the bundle `path`, whose types are checked, in the dtypes of the file.

    What is narrower than float32 is mapped into memory, each tensor for itself: the system reads
    its pages when they are used and frees them with the tensor. Writing into a tensor copies its
    pages; the file never changes.

    Raises:
        BundleError: the file cannot be read, or a tensor is not finite.
    """
    from safetensors import SafetensorError, safe_open

    file = path / WEIGHTS
    try:
        with safe_open(file, "pt"):  # it checks that sizes, types and places fit each other
            pass
        header, start = _header(file)
        tensors = {name: _mapped(file, start, entry) for name, entry in header.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"{file} cannot be read ({error}); make the bundle again") from error
    for name, tensor in tensors.items():
        _check_finite(file, name, tensor)
    return tensors


def _mapped(file: Path, start: int, entry: dict[str, Any]) -> torch.Tensor:
    import torch

    kind, (first, end) = getattr(torch, TYPES[entry["dtype"]]), entry["data_offsets"]
    if first == end:
        return torch.empty(entry["shape"], dtype=kind)
    if kind is torch.float32:
        # Used as they stand, by products whose speed and last bits depend on where a weight
        # begins: they get memory of their own, which begins alike in every process.
        read = torch.empty(end - first, dtype=torch.uint8)
        with file.open("rb") as opened:
            opened.seek(start + first)
            opened.readinto(read.numpy().data)
        return read.view(kind).view(entry["shape"])
    # "c": a page that is written is copied. numpy knows no bfloat16, so the bytes are mapped.
    mapped = np.memmap(file, np.uint8, "c", start + first, (end - first,))
    return torch.from_numpy(mapped).view(kind).view(entry["shape"])
