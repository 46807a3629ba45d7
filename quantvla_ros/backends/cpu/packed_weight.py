# SPDX-License-Identifier: Apache-2.0
"""What a kernel is given and what it offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.schemes import Precision


@dataclass(frozen=True)
class Product:
    """Integer weights and the form of their product.

    Attributes:
        codes: int8 [out, in].
        scales: float32 [out, groups].
        precision: how weights and activations are held.
        activation_bits: grid of integer activations, 7 or 8.
        step: of a static activation grid; None without one.
    """

    codes: Tensor
    scales: Tensor
    precision: Precision
    activation_bits: int
    step: float | None = None

    @property
    def limit(self) -> int:
        """Largest magnitude of an integer activation."""
        return activation_limit(self.activation_bits)

    @property
    def rows(self) -> int:
        """Output channels."""
        return self.codes.shape[0]

    @property
    def columns(self) -> int:
        """Inputs."""
        return self.codes.shape[1]


def product_of(layers: list[QuantizedLinear]) -> Product:
    """One product for layers of the same form that read the same input."""
    first = layers[0]
    return Product(
        torch.cat([layer.codes() for layer in layers]),
        torch.cat([layer.scale for layer in layers]),
        first.precision,
        first.activation_bits,
        None if first.activation_scale is None else float(first.activation_scale),
    )


class PackedWeight(Protocol):
    """Weights of a kernel; multiplies float activations, which it quantizes itself."""

    name: str
    rows: int

    @property
    def held_bytes(self) -> int:
        """Bytes of the tensors held."""
        ...

    def apply(self, x: Tensor) -> Tensor:
        """Map float [M, in] to float [M, out]."""
        ...
