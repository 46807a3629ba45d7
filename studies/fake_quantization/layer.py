# SPDX-License-Identifier: Apache-2.0
"""Layers that are quantized in effect only: float arithmetic on rounded values.

For studies of what no kernel computes: weights of 2 and 3 bits, activations of 4, DuQuant's frame.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.quantization.rounding.codes import TINY, grid_limit
from quantvla_ros.quantization.transforms.base import seen_input


class StudyLinear(nn.Module):
    """A linear with rounded weights and inputs rounded per token."""

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self, linear: nn.Linear, weight: Tensor, activation_bits: int | None, quantile: float = 1.0
    ) -> None:
        """Take the place of a float layer.

        Args:
            linear: the float layer, with its online transform if it has one.
            weight: rounded values [out, in], in the transform's frame.
            activation_bits: grid of the inputs; None leaves them float.
            quantile: the magnitude within a token that the grid ends at; 1 is the largest.
        """
        super().__init__()
        self.transform = [linear]  # in a list: its float weight is no part of this module
        self.activation_bits, self.quantile = activation_bits, quantile
        self.register_buffer("weight", weight)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        x = seen_input(self.transform[0], x)
        if self.activation_bits is not None:
            limit = grid_limit(self.activation_bits)
            size = x.abs()
            end = (
                size.amax(dim=-1, keepdim=True)
                if self.quantile >= 1.0
                else torch.quantile(size, self.quantile, dim=-1, keepdim=True)
            )
            scale = end.clamp(min=TINY) / limit
            x = (x / scale).round().clamp(-limit, limit) * scale
        return F.linear(x, self.weight, self.bias)
