# SPDX-License-Identifier: Apache-2.0
"""Integer codes of a weight: the result of every rounding method.

All grids are symmetric: ``weight ~ values * scale`` with one scale per output channel, or one per
output channel and group of neighbouring input columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError

TINY = 1e-8  # keeps the scale of an all-zero channel finite


def grid_limit(bits: int) -> int:
    """Largest magnitude on the symmetric grid: 127 for 8 bits, 7 for 4, 1 for 2."""
    return (1 << (bits - 1)) - 1


@dataclass(frozen=True)
class Codes:
    """A rounded weight.

    Attributes:
        values: int8 [out, in], in -127..127 for 8 bits and -7..7 for 4.
        scales: float32 [out, groups]; groups is 1, or in / group size.
    """

    values: Tensor
    scales: Tensor


def split_groups(weight: Tensor, group: int | None) -> Tensor:
    """View a float weight [out, in] as [out, groups, columns].

    Raises:
        QuantVLAError: the weight is not finite, or the group size does not divide its columns.
    """
    columns = weight.shape[1]
    size = columns if group is None else group
    if size < 1 or columns % size:
        raise QuantVLAError(
            f"a group of {size} columns does not divide a layer of {columns} input columns; "
            "take a divisor of it as --group, or leave the option away"
        )
    if not bool(torch.isfinite(weight).all()):
        raise QuantVLAError(
            "a weight to be rounded holds NaN or infinite values; the policy's file is damaged or "
            "its training diverged"
        )
    return weight.detach().float().reshape(weight.shape[0], -1, size)


def absmax_scales(grouped: Tensor, bits: int) -> Tensor:
    """Scales [out, groups] that put the largest weight of each group on the grid's end."""
    return grouped.abs().amax(dim=2).clamp(min=TINY) / grid_limit(bits)


def encode(grouped: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Nearest grid points as float [out, groups, columns]."""
    limit = grid_limit(bits)
    return (grouped / scales[:, :, None]).round_().clamp_(-limit, limit)


def dequantize(codes: Codes) -> Tensor:
    """The float32 weight [out, in] that codes stand for."""
    out, groups = codes.scales.shape
    grouped = codes.values.float().reshape(out, groups, -1) * codes.scales[:, :, None]
    return grouped.reshape(out, -1)
