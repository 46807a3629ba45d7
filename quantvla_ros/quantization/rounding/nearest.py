# SPDX-License-Identifier: Apache-2.0
"""Rounding to the nearest grid point."""

from __future__ import annotations

import torch
from torch import Tensor

from quantvla_ros.quantization.rounding.codes import Codes, absmax_scales, encode, split_groups


def round_nearest(weight: Tensor, bits: int, group: int | None = None) -> Codes:
    """Round a weight [out, in]; the scales cover its largest values.

    Raises:
        QuantVLAError: the weight is not finite, or the group size does not divide its columns.
    """
    grouped = split_groups(weight, group)
    scales = absmax_scales(grouped, bits)
    values = encode(grouped, scales, bits).reshape(weight.shape).to(torch.int8)
    return Codes(values, scales)
