# SPDX-License-Identifier: Apache-2.0
"""Clips of static activation grids: one range a layer, pooled over buffer and denoise steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.observe import InputStatistics, bin_centers
from quantvla_ros.quantization.output_range import least_output_error, token_shares

RangeMethod = Literal["output", "absmax", "percentile", "mse"]
RANGES: tuple[str, ...] = get_args(RangeMethod)

PERCENTILE = 0.999  # of all magnitudes, as the field uses it
_CANDIDATES = 80  # clips tried by the search, from a fiftieth of the largest magnitude upward
_SMALLEST = 0.02


@dataclass(frozen=True)
class ActivationRange:
    """The clip of one layer's input.

    Attributes:
        method: how it was chosen.
        clip: magnitude that the largest grid value stands for.
        error: expected squared rounding and clipping error over the mean square of the input.
    """

    method: str
    clip: float
    error: float


def check_range(method: str) -> None:
    """Raise QuantVLAError for a method that this package does not know."""
    if method not in RANGES:
        raise QuantVLAError(f"unknown range '{method}'; known ranges: {', '.join(RANGES)}")


def expected_error(statistics: InputStatistics, clip: float, limit: int) -> float:
    """Relative squared error of a symmetric grid with `limit` steps up to `clip`.

    A value inside the range errs by a twelfth of a squared step; below half a step it becomes zero;
    beyond the clip it is cut off.
    """
    values, counts = bin_centers().double(), statistics.histogram.double()
    values = torch.where(counts > 0, values, torch.zeros_like(values))
    step = clip / limit
    inside = torch.full_like(values, step * step / 12)
    error = torch.where(values < step / 2, values.square(), inside)
    error = torch.where(values > clip, (values - clip).square() + step * step / 12, error)
    power = float((counts * values.square()).sum())
    return float((counts * error).sum()) / power


def static_range(
    statistics: InputStatistics, method: str, limit: int, readers: Sequence[Tensor] = ()
) -> ActivationRange:
    """Choose the clip of a layer's input.

    Args:
        statistics: of the input; with a sample for "output".
        method: "output" (the least error of the readers' outputs), "absmax", "percentile" (99.9 %),
            or "mse" (the least squared error of the input).
        limit: largest magnitude on the activation grid.
        readers: weights [out, in] of all layers that read the input, for "output".

    Raises:
        QuantVLAError: unknown method.
    """
    check_range(method)
    largest = float(statistics.absmax.max())
    if method == "output":
        assert statistics.sample is not None
        weights = [weight.detach().float() for weight in readers]
        shares = token_shares(statistics.sample, weights)
        clip, _ = least_output_error(statistics.sample.tokens, shares, weights, limit)
    elif method == "absmax":
        clip = largest
    elif method == "percentile":
        clip = statistics.percentile(PERCENTILE)
    else:
        shares = torch.logspace(0, torch.log10(torch.tensor(_SMALLEST)).item(), _CANDIDATES)
        clips = [largest * share for share in shares.tolist()]
        clip = min(clips, key=lambda c: expected_error(statistics, c, limit))
    return ActivationRange(method, clip, expected_error(statistics, clip, limit))
