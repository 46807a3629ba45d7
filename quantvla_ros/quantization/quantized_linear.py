# SPDX-License-Identifier: Apache-2.0
"""Linear layer with integer weights, in every precision of `schemes`.

The forward pass here is the reference: float32 arithmetic on integer values. A sum is exact while
``columns * weight limit * activation limit`` stays below 2**24, where the columns are those of a
group. A backend swaps the module for one that multiplies integers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quantvla_ros.quantization.activations import (
    activation_limit,
    quantize_activation,
    quantize_static,
)
from quantvla_ros.quantization.nibbles import OFFSET, pack_nibbles, unpack_nibbles
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.hadamard import hadamard

if TYPE_CHECKING:
    from quantvla_ros.quantization.rounding.codes import Codes


class QuantizedLinear(nn.Module):
    """Linear layer on integer weights.

    Attributes:
        weight: int8 [out, in], or uint8 [out, ceil(in / 2)] with two 4-bit weights a byte.
        scale: float32 [out, groups], step of the weight grid.
        activation_scale: float32 [], step of the activation grid; None unless it is static.
        bias: float32 [out] or None.
        columns: number of inputs.
        precision: how weights and activations are held.
        activation_bits: integer activations: 7 or 8.
        rotation: block of the Hadamard transform applied to the input, or None.
    """

    weight: Tensor
    scale: Tensor
    activation_scale: Tensor | None
    bias: Tensor | None

    def __init__(
        self,
        weight: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        columns: int,
        precision: Precision,
        activation_bits: int,
        activation_scale: Tensor | None,
        rotation: int | None,
    ) -> None:
        super().__init__()
        if (activation_scale is not None) != (precision.activation == "static"):
            raise ValueError("a layer has an activation scale exactly when its range is static")
        self.columns, self.precision, self.rotation = columns, precision, rotation
        self.activation_bits = activation_bits
        self.limit = activation_limit(activation_bits)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.register_buffer("activation_scale", activation_scale)
        self.register_buffer("bias", bias)

    @classmethod
    def from_codes(
        cls,
        codes: Codes,
        bias: Tensor | None,
        precision: Precision,
        activation_bits: int,
        activation_scale: Tensor | None = None,
        rotation: int | None = None,
    ) -> QuantizedLinear:
        """A layer from rounded weights.

        Args:
            codes: integers and scales; the weights are already rotated where `rotation` is set.
            bias: float [out] or None.
            precision: of the same bits and groups as `codes`.
            activation_bits: grid of integer activations, 7 or 8.
            activation_scale: float32 [], the step of a static grid (clip / activation limit).
            rotation: block of the Hadamard transform of the input.
        """
        values = codes.values
        weight = pack_nibbles(values) if precision.packed else values.to(torch.int8)
        return cls(
            weight,
            codes.scales.float(),
            None if bias is None else bias.detach().clone(),
            values.shape[1],
            precision,
            activation_bits,
            None if activation_scale is None else activation_scale.detach().float().reshape(()),
            rotation,
        )

    @classmethod
    def empty(
        cls,
        linear: nn.Linear,
        precision: Precision,
        activation_bits: int,
        rotation: int | None = None,
    ) -> QuantizedLinear:
        """A layer of the same shape, to be filled from a bundle.

        Raises:
            QuantVLAError: the group size does not divide the layer's inputs.
        """
        rows, columns = linear.out_features, linear.in_features
        return cls(
            torch.full((rows, -(-columns // 2)), OFFSET * 17, dtype=torch.uint8)
            if precision.packed
            else torch.zeros(rows, columns, dtype=torch.int8),
            torch.ones(rows, precision.groups(columns)),
            None if linear.bias is None else torch.zeros(rows),
            columns,
            precision,
            activation_bits,
            torch.ones(()) if precision.activation == "static" else None,
            rotation,
        )

    def codes(self) -> Tensor:
        """The integer weights, int8 [out, in]."""
        return unpack_nibbles(self.weight, self.columns) if self.precision.packed else self.weight

    def dequantized(self) -> Tensor:
        """The weights as float32 [out, in]."""
        grouped = self.codes().float().unflatten(1, (self.scale.shape[1], -1))
        weight: Tensor = (grouped * self.scale[:, :, None]).flatten(1)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """Map float [..., in] to float [..., out]."""
        x = rotated(x, self.rotation)
        if self.precision.activation == "float":
            return F.linear(x, self.dequantized(), self.bias)
        if self.activation_scale is None:
            grid, step = quantize_activation(x, self.limit)
        else:
            step = self.activation_scale
            grid = quantize_static(x, self.limit, step)
        out = self._product(grid, step)
        return out if self.bias is None else out + self.bias

    def _product(self, grid: Tensor, step: Tensor) -> Tensor:
        """Integers [..., in] times the weights, in the units of the output."""
        codes, groups = self.codes().float(), self.scale.shape[1]
        if groups == 1:
            return (grid @ codes.T) * step * self.scale[:, 0]
        sums = torch.einsum(
            "...gk,ogk->...og", grid.unflatten(-1, (groups, -1)), codes.unflatten(1, (groups, -1))
        )
        return (sums * self.scale).sum(dim=-1) * step


def rotated(x: Tensor, block: int | None) -> Tensor:
    """The Hadamard transform of ``x`` [..., in] in blocks of `block`; ``x`` itself for None."""
    return x if block is None else hadamard(x, block)


def quantized_layers(network: nn.Module) -> dict[str, QuantizedLinear]:
    """The quantized layers that the network really holds, by name."""
    found = network.named_modules()
    return {name: module for name, module in found if isinstance(module, QuantizedLinear)}
