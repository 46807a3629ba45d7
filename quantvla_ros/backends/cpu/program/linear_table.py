# SPDX-License-Identifier: Apache-2.0
"""All linears of a program by number: integer layers, and float weights of its graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.quantization.quantized_linear import QuantizedLinear

NETWORK = "network."
"""What stands before the names of a graph's weights (see `models.graphs.Graph`)."""


@dataclass(frozen=True)
class FloatLayer:
    """A linear with float weights.

    Attributes:
        name: of the network's module, or of its weight where it is none's.
        weight: constant node [out, in].
        bias: constant node [out], or None.
    """

    name: str
    weight: fx.Node
    bias: fx.Node | None
    constants: Constants

    def tensors(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias."""
        bias = None if self.bias is None else self.constants.value(self.bias)
        return self.constants.value(self.constants.before_casts(self.weight)), bias


@dataclass(frozen=True)
class IntegerLayer:
    """A quantized linear by its name."""

    name: str
    layer: QuantizedLinear


class LinearTable:
    """Of one graph; `linear` and `gated_linear` name layers by their numbers here."""

    def __init__(
        self, integers: Sequence[tuple[str, QuantizedLinear]], constants: Constants
    ) -> None:
        """Take the integer layers in the order of their numbers (see `integer_operators`)."""
        self._integers, self._constants = integers, constants
        self.layers: list[FloatLayer | IntegerLayer] = []

    def add_float(self, weight: fx.Node, bias: fx.Node | None) -> int:
        """Number of a new float layer."""
        name = min(self._constants.names(weight), default=str(weight)).removeprefix(NETWORK)
        layer = FloatLayer(name.removesuffix(".weight"), weight, bias, self._constants)
        self.layers.append(layer)
        return len(self.layers) - 1

    def integer(self, number: int) -> int:
        """Number here of an integer layer."""
        self.layers.append(IntegerLayer(*self._integers[number]))
        return len(self.layers) - 1

    def rows(self, number: int) -> int:
        """Output channels."""
        layer = self.layers[number]
        if isinstance(layer, IntegerLayer):
            return layer.layer.scale.shape[0]
        return int(self._constants.like(layer.weight).shape[0])

    def has_bias(self, number: int) -> bool:
        """Whether a layer adds a row of its own."""
        layer = self.layers[number]
        own = layer.layer.bias if isinstance(layer, IntegerLayer) else layer.bias
        return own is not None

    def rotation(self, number: int) -> int | None:
        """Block of the Hadamard transform of a layer's input, or None."""
        layer = self.layers[number]
        return layer.layer.rotation if isinstance(layer, IntegerLayer) else None

    def form(self, number: int) -> tuple[Any, ...]:
        """What layers must have in common to share a product."""
        found = self.layers[number]
        if isinstance(found, FloatLayer):
            stored = self._constants.before_casts(found.weight)
            return ("float", self._constants.like(stored).dtype)
        layer = found.layer
        step = None if layer.activation_scale is None else float(layer.activation_scale)
        return layer.precision, layer.activation_bits, layer.rotation, step
