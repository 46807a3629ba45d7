# SPDX-License-Identifier: Apache-2.0
"""Shapes and strides as instructions take them: few axes, rows in two levels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

Axis = tuple[int, ...]
"""Size of an axis, and its stride in each of some tensors."""


def axes(*tensors: Tensor) -> list[Axis]:
    """The fewest axes that reach all elements of tensors of one shape, outermost first.

    Axes of one are left out, and neighbours that lie alike in all tensors become one. The order is
    that of the last tensor in memory.
    """
    found = [
        (size, *(t.stride(axis) for t in tensors))
        for axis, size in enumerate(tensors[0].shape)
        if size != 1
    ]
    found.sort(key=lambda axis: axis[-1], reverse=True)
    return merged(found)


def merged(found: Sequence[Axis]) -> list[Axis]:
    """Axes of which neighbours that lie alike in all tensors are one."""
    out: list[Axis] = []
    for axis in found:
        size, *strides = axis
        if out and all(a == s * size for a, s in zip(out[-1][1:], strides, strict=True)):
            out[-1] = (out[-1][0] * size, *strides)
        else:
            out.append(axis)
    return out


def row_axes(*tensors: Tensor) -> list[Axis]:
    """The fewest axes of the rows of tensors of one shape, in their order."""
    found = [
        (size, *(t.stride(axis) for t in tensors))
        for axis, size in enumerate(tensors[0].shape[:-1])
        if size != 1
    ]
    return merged(found)


def are_rows(*tensors: Tensor) -> bool:
    """Whether rows of floats side by side stand in two levels at most, in each tensor."""
    return all(t.stride(-1) == 1 for t in tensors) and len(row_axes(*tensors)) <= 2
