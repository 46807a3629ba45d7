# SPDX-License-Identifier: Apache-2.0
"""GPTQ: round column by column and let the columns still to come make up for the error.

The error that counts is that of the layer's output on the observed inputs, a quadratic form with
their second moment as its matrix (Frantar et al. 2022). Columns with the largest inputs are rounded
first, while the most others can still make up for them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.clip_search import search_scales
from quantvla_ros.quantization.rounding.codes import Codes, grid_limit, split_groups

LAZY = 128  # columns that are finished together before the rest is updated


def inverse_factor(hessian: Tensor, damping: float) -> Tensor:
    """Upper Cholesky factor of the inverse of a damped second moment, float64 [in, in].

    A column that never saw an input gets the mean of the diagonal, so it is rounded to nearest.

    Raises:
        QuantVLAError: the matrix is not finite or stays singular.
    """
    wide = hessian.to(torch.float64, copy=True)
    if not bool(torch.isfinite(wide).all()):
        raise QuantVLAError(
            "the observed inputs of a layer hold NaN or infinite values; record the calibration "
            "buffer again"
        )
    diagonal = wide.diagonal()
    mean = float(diagonal.mean()) or 1.0
    diagonal[diagonal <= 0] = mean
    diagonal += damping * mean
    # The matrices of the widest layer decide the peak of memory: each goes before the next comes.
    factor, failed = torch.linalg.cholesky_ex(wide)
    del wide, diagonal
    if bool(failed):
        raise QuantVLAError(
            "GPTQ cannot invert the inputs' second moment of a layer; calibrate with more samples "
            "or take --rounding clip"
        )
    inverse = torch.cholesky_inverse(factor)
    del factor
    out: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return out


def round_gptq(
    weight: Tensor,
    bits: int,
    hessian: Tensor,
    group: int | None = None,
    damping: float = 0.01,
) -> Codes:
    """Round a weight [out, in] with the least error of its outputs.

    The scales are searched before the first column is rounded, per group of neighbouring columns
    as they lie in the layer; the order of rounding does not move a column to another group.

    Args:
        weight: float [out, in], in the frame of the observed inputs.
        bits: width of the grid.
        hessian: second moment of the layer's inputs [in, in], a sum or a mean over tokens.
        group: input columns that share a scale; None for one scale per output channel.
        damping: share of the diagonal's mean that is added to it.

    Raises:
        QuantVLAError: values that are not finite, a group size that does not divide the columns,
            or a second moment that stays singular.
    """
    grouped = split_groups(weight, group)
    diagonal = hessian.diagonal()
    if not bool((diagonal > 0).any()):
        importance = None
    else:
        importance = diagonal.float().clamp(min=0).reshape(grouped.shape[1:])
    order = torch.argsort(diagonal, descending=True, stable=True)
    factor = inverse_factor(hessian[order][:, order], damping).float()
    scales = search_scales(grouped, bits, importance)
    columns = grouped.shape[2]
    # Column-major: each step reads and writes one column of every output channel.
    rest = weight.detach().float().T[order].contiguous()
    column_scales = scales.T[order // columns]
    values = torch.empty_like(rest)
    limit = grid_limit(bits)
    for start in range(0, len(order), LAZY):
        end = min(start + LAZY, len(order))
        part, errors = rest[start:end], torch.empty_like(rest[start:end])
        local = factor[start:end, start:end]
        for i in range(end - start):
            scale = column_scales[start + i]
            code = (part[i] / scale).round().clamp(-limit, limit)
            values[start + i] = code
            errors[i] = (part[i] - code * scale) / local[i, i]
            part[i + 1 :] -= local[i, i + 1 :, None] * errors[i]
        rest[end:] -= factor[start:end, end:].T @ errors
    back = torch.empty_like(values)
    back[order] = values
    return Codes(back.T.contiguous().to(torch.int8), scales)
