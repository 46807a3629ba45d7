# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of published sizes with random weights, written tensor by tensor."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
import torch
from tokenizers import models, pre_tokenizers
from torch import Tensor

from quantvla_ros.bundle.directory import written_directory
from quantvla_ros.bundle.tensor_writing import write_tensors
from quantvla_ros.bundle.tensors import WEIGHTS

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Published:
    """A published checkpoint without its numbers.

    Attributes:
        tensors: type and shape by name, on the meta device.
        files: content of its JSON files by name.
        statistics: tensors of its state files, by the files' names.
        special: special tokens of its tokenizer, which have the first ids.
    """

    tensors: Callable[[], dict[str, Tensor]]
    files: Callable[[], dict[str, Any]]
    statistics: Callable[[], dict[str, dict[str, Tensor]]]
    special: tuple[str, ...]


class RandomTensors(Mapping[str, Tensor]):
    """Random tensors, each made anew and alike whenever it is asked for.

    Matrices keep the size of what they multiply; what has one axis is a gain near 1 or a small
    shift.
    """

    def __init__(self, meta: Mapping[str, Tensor]) -> None:
        """Take type and shape by name."""
        self._meta = meta

    def __getitem__(self, name: str) -> Tensor:
        """Make one."""
        place = self._meta[name]
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        values = torch.empty(place.shape, dtype=place.dtype)
        if values.ndim == 1:
            values.normal_(0.0, 0.1, generator=generator)
            return values.add_(1.0) if name.endswith("weight") else values
        width = values[0].numel()
        return values.normal_(0.0, width**-0.5, generator=generator)

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._meta)

    def __len__(self) -> int:
        """How many."""
        return len(self._meta)


def write_checkpoint(path: Path, published: Published) -> int:
    """Write a checkpoint as LeRobot does, with a tokenizer of bytes; returns its bytes of weights.

    Raises:
        OutputExistsError: `path` exists.
    """
    with written_directory(path, False) as draft:
        write_tensors(draft, RandomTensors(published.tensors()))
        (draft / WEIGHTS).rename(draft / "model.safetensors")
        for name, content in published.files().items():
            (draft / name).write_text(json.dumps(content, indent=1))
        for name, tensors in published.statistics().items():
            write_tensors(draft, tensors)
            (draft / WEIGHTS).rename(draft / name)
        (draft / TOKENIZER).write_text(_bytes_tokenizer(published.special))
    return (path / "model.safetensors").stat().st_size


def _bytes_tokenizer(special: tuple[str, ...]) -> str:
    names = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(list(special))
    return str(tokenizer.to_str())
