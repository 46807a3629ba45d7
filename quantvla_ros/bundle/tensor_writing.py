# SPDX-License-Identifier: Apache-2.0
"""Writing `weights.safetensors` tensor by tensor, so that no more than one is held at a time.

A mapping may make each tensor when it is asked for it (an import does): it is asked twice, first
for its type, shape and values, then to write it. The bytes are those of safetensors' own writer.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.bundle.tensors import TYPES, WEIGHTS, check_tensor

if TYPE_CHECKING:
    import torch

_ORDER = tuple(TYPES)
_ALIGNED = 8
_PART = 1 << 24  # bytes

Said = Callable[[int], None]
"""Is told how many bytes were read or written since it was called last."""


def write_tensors(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    said: Said = lambda count: None,
    shown: Path | None = None,
) -> None:
    """Write the file into the directory `path`.

    Args:
        path: directory of the bundle.
        tensors: by name, each made when it is asked for or there all the time.
        said: progress; in the end it has heard of twice the bytes of all tensors.
        shown: what errors call the directory, where that is another.

    Raises:
        BundleError: a tensor is not finite, or of a type that no bundle holds.
    """
    kinds: dict[str, tuple[str, list[int], int]] = {}
    names = {f"torch.{ours}": theirs for theirs, ours in TYPES.items()}
    for name in tensors:
        tensor = tensors[name]
        check_tensor(shown or path, name, tensor)
        kinds[name] = (names[str(tensor.dtype)], list(tensor.shape), tensor.nbytes)
        said(tensor.nbytes)
        del tensor  # before the next one is made
    # As safetensors orders them: the widest types first, so that every tensor lies aligned.
    order = sorted(kinds, key=lambda name: (_ORDER.index(kinds[name][0]), name))
    header: dict[str, Any] = {}
    place = 0
    for name in order:
        kind, shape, size = kinds[name]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    with (path / WEIGHTS).open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            content = memoryview(_bytes(tensors[name]))
            for start in range(0, len(content), _PART):
                part = content[start : start + _PART]
                out.write(part)
                said(len(part))
            del content
    (path / WEIGHTS).chmod(0o644)


def _bytes(tensor: torch.Tensor) -> Any:
    import torch

    flat = tensor.detach().cpu().contiguous().flatten()
    return flat.view(torch.uint8).numpy()
