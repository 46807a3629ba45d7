# SPDX-License-Identifier: Apache-2.0
"""GPTQ: round column by column and let the columns still to come make up for the error.

The error that counts is that of the layer's output on the observed inputs, a quadratic form with
their second moment as its matrix (Frantar et al. 2022). Columns with the largest inputs are rounded
first, while the most others can still make up for them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.clip_search import search_scales
from quantvla_ros.quantization.rounding.codes import Codes, grid_limit, split_groups

DAMPING = 0.01  # of the diagonal's mean, as Frantar et al. and those after them add to it
FEW_TOKENS_DAMPING = 0.3
LAZY = 128  # columns that are finished together before the rest is updated
_ROWS = 1024  # that are sorted, or inverted, together


@dataclass(frozen=True)
class Compensation:
    """What the columns still to come make up for; the same for all layers that read one input.

    Attributes:
        order: columns as they are rounded, int64 [in].
        factor: upper Cholesky factor of the inverse of the damped second moment in that order,
            float32 [in, in].
    """

    order: Tensor
    factor: Tensor


def damping_for(tokens: int, columns: int) -> float:
    """Share of the diagonal's mean that is added to it.

    Fewer tokens than columns say nothing of most directions, and columns would make up for errors
    there at the price of others' outputs. A larger share keeps them from it: on inputs without
    structure the outputs are then as near as by a search for clips, and with structure far nearer.
    """
    return DAMPING if tokens >= columns else FEW_TOKENS_DAMPING


def compensation(hessian: Tensor, damping: float = DAMPING) -> Compensation:
    """Prepare the rounding of all layers that read one input.

    A column that never saw an input gets the mean of the diagonal, so it is rounded to nearest.

    Args:
        hessian: second moment of the input [in, in], a sum or a mean over tokens.
        damping: share of the diagonal's mean that is added to it.

    Raises:
        QuantVLAError: the matrix is not finite or stays singular.
    """
    order = torch.argsort(hessian.diagonal(), descending=True, stable=True)
    # With the columns the other way round, the inverse of the one Cholesky factor is the other.
    wide = _damped(hessian, order.flip(0), damping)
    factor, failed = torch.linalg.cholesky_ex(wide)
    del wide  # two matrices of the widest layer decide the peak of memory
    if bool(failed):
        raise QuantVLAError(
            "GPTQ cannot invert the inputs' second moment of a layer; calibrate with more samples "
            "or take --rounding clip"
        )
    _invert_lower(factor)
    narrow = factor.float()
    del factor
    return Compensation(order, narrow.flip(0, 1))


def _damped(hessian: Tensor, order: Tensor, damping: float) -> Tensor:
    """The matrix in another order with its diagonal raised, float64."""
    wide = torch.empty(hessian.shape, dtype=torch.float64)
    for start in range(0, len(order), _ROWS):
        part = hessian[order[start : start + _ROWS]]
        if not bool(torch.isfinite(part).all()):
            raise QuantVLAError(
                "the observed inputs of a layer hold NaN or infinite values; record the "
                "calibration buffer again"
            )
        wide[start : start + _ROWS] = part[:, order]
    diagonal = wide.diagonal()
    mean = float(diagonal.mean()) or 1.0
    diagonal[diagonal <= 0] = mean
    diagonal += damping * mean
    return wide


def _invert_lower(matrix: Tensor) -> None:
    """Invert a lower triangular matrix in place, by products of its quarters."""
    size = len(matrix)
    if size <= _ROWS:
        one = torch.eye(size, dtype=matrix.dtype)
        matrix.copy_(torch.linalg.solve_triangular(matrix, one, upper=False))
        return
    half = size // 2
    first, last, below = matrix[:half, :half], matrix[half:, half:], matrix[half:, :half]
    _invert_lower(first)
    _invert_lower(last)
    below.copy_(last @ below @ first).neg_()


def round_gptq(
    weight: Tensor,
    bits: int,
    hessian: Tensor,
    group: int | None = None,
    prepared: Compensation | None = None,
) -> Codes:
    """Round a weight [out, in] with the least error of its outputs.

    The scales are searched before the first column is rounded, per group of neighbouring columns
    as they lie in the layer; the order of rounding does not move a column to another group.

    Args:
        weight: float [out, in], in the frame of the observed inputs.
        bits: width of the grid.
        hessian: second moment of the layer's inputs [in, in], a sum or a mean over tokens.
        group: input columns that share a scale; None for one scale per output channel.
        prepared: `compensation` of the same second moment, where another layer has it already.

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
    made = prepared or compensation(hessian)
    order, factor = made.order, made.factor
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
