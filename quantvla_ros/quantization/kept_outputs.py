# SPDX-License-Identifier: Apache-2.0
"""Outputs of one module in many runs, kept on disk and mapped into memory when they are read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from quantvla_ros.whole_file import whole_file, write_file

_ALIGNED = 64  # bytes, as PyTorch's own memory is: products may depend on it in their last bits
_PLAIN = (Tensor, int, float, bool, str, type(None))


def can_be_kept(output: Any) -> bool:
    """Whether it is made of tensors, numbers and texts in nested tuples, lists and dicts."""
    return all(isinstance(leaf, _PLAIN) for leaf in tree_leaves(output))


def example_of(output: Any) -> Any:
    """The same without the tensors' numbers."""
    return tree_map(lambda leaf: leaf.new_empty(0) if isinstance(leaf, Tensor) else leaf, output)


class KeptOutputs(Sequence[Any]):
    """A file of numbers, and one that says where each tensor lies; with the second it is whole.

    Tensors keep their types and strides. What an output holds beside tensors, and how all is
    nested, is taken from an example: it is the same in all runs.
    """

    def __init__(self, folder: Path, name: str, example: Any) -> None:
        """Name the files; nothing is read or written yet."""
        self._numbers, self._places = folder / f"{name}.bin", folder / f"{name}.json"
        self._leaves, self._spec = tree_flatten(example)

    @property
    def whole(self) -> bool:
        """Whether outputs of all runs are there."""
        return self._places.exists()

    @contextmanager
    def writing(self) -> Iterator[Callable[[Any], None]]:
        """Give a function that takes one run's output after the other; whole when the block ends.

        Raises:
            OSError: the disk is full.
        """
        self.__dict__.pop("_index", None)
        runs: list[list[Any]] = []
        with whole_file(self._numbers) as draft, draft.open("wb") as out:

            def add(output: Any) -> None:
                places: list[Any] = []
                for leaf in tree_leaves(output):
                    place = None
                    if isinstance(leaf, Tensor):
                        out.write(b"\0" * (-out.tell() % _ALIGNED))
                        order = _by_stride(leaf)
                        dense = leaf.detach().permute(order).contiguous()
                        place = [out.tell(), list(dense.shape), order]
                        out.write(dense.flatten().view(torch.uint8).numpy().data)
                    places.append(place)
                runs.append(places)

            yield add
        write_file(self._places, json.dumps(runs))

    @cached_property
    def _index(self) -> Any:
        return json.loads(self._places.read_text(encoding="utf-8"))

    def __len__(self) -> int:
        """How many there are."""
        return len(self._index)

    def __getitem__(self, run: Any) -> Any:
        """The output of a run, mapped anew: whoever writes into it changes nothing else."""
        pairs = zip(self._leaves, self._index[run], strict=True)
        return tree_unflatten([self._leaf(*pair) for pair in pairs], self._spec)

    def _leaf(self, example: Any, place: Any) -> Any:
        if place is None:
            return example
        start, shape, order = place
        size = math.prod(shape) * example.element_size()
        if size:
            mapped = torch.from_numpy(np.memmap(self._numbers, np.uint8, "c", start, (size,)))
            dense = mapped.view(example.dtype).view(shape)
        else:
            dense = torch.empty(shape, dtype=example.dtype)
        return dense.permute(sorted(range(len(order)), key=lambda d: order[d]))


def keep_outputs(folder: Path, name: str, outputs: Iterable[Any]) -> Sequence[Any]:
    """Keep things of one kind as they come; what is there already is replaced."""
    rest = iter(outputs)
    try:
        first = next(rest)
    except StopIteration:
        return []
    kept = KeptOutputs(folder, name, example_of(first))
    with kept.writing() as add:
        add(first)
        for output in rest:
            add(output)
    return kept


def _by_stride(tensor: Tensor) -> list[int]:
    """Axes in the order of memory, so that a transposed tensor is the same when it is read."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda axis: -strides[axis])
