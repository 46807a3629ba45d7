# SPDX-License-Identifier: Apache-2.0
"""Rounding with a searched clip: a finer grid for most weights against an error on the largest."""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.codes import Codes, absmax_scales, encode, split_groups

RATIOS = torch.linspace(1.0, 0.4, 13).tolist()  # of the largest weight; 1 is round to nearest


def search_scales(grouped: Tensor, bits: int, importance: Tensor | None) -> Tensor:
    """Scales [out, groups] with the least weighted squared rounding error.

    Args:
        grouped: weight [out, groups, columns].
        bits: width of the grid.
        importance: weight of each column's error [groups, columns]; None counts all alike.
    """
    widest = absmax_scales(grouped, bits)
    best, least = widest.clone(), torch.full_like(widest, torch.inf)
    for ratio in RATIOS:
        scales = widest * ratio
        error = encode(grouped, scales, bits).mul_(scales[:, :, None]).sub_(grouped).square_()
        if importance is not None:
            error.mul_(importance)
        total = error.sum(dim=2)
        better = total < least
        best = torch.where(better, scales, best)
        least = torch.where(better, total, least)
    return best


def round_clipped(
    weight: Tensor, bits: int, group: int | None = None, importance: Tensor | None = None
) -> Codes:
    """Round a weight [out, in] with the clip that leaves the least squared error.

    Args:
        weight: float [out, in].
        bits: width of the grid.
        group: input columns that share a scale; None for one scale per output channel.
        importance: mean squared input of each column [in]. With it the error is that of the
            layer's output for inputs that do not correlate.

    Raises:
        QuantVLAError: the weight or the importance is not finite, or the group size does not
            divide the columns.
    """
    grouped = split_groups(weight, group)
    if importance is not None:
        if not bool(torch.isfinite(importance).all()):
            raise QuantVLAError(
                "the observed inputs of a layer hold NaN or infinite values; record the "
                "calibration buffer again"
            )
        importance = importance.float().reshape(grouped.shape[1:])
    scales = search_scales(grouped, bits, importance)
    values = encode(grouped, scales, bits).reshape(weight.shape).to(torch.int8)
    return Codes(values, scales)
