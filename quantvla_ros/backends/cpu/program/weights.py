# SPDX-License-Identifier: Apache-2.0
"""All constants that a program holds: packed weights, rows of numbers, tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, fx

from quantvla_ros.backends.cpu.engine.library import Engine
from quantvla_ros.backends.cpu.engine.weights import (
    FloatWeights,
    pack_codes,
    pack_float,
    pack_integer,
)
from quantvla_ros.backends.cpu.program.constants import Constants
from quantvla_ros.backends.cpu.program.linear_table import FloatLayer, IntegerLayer
from quantvla_ros.backends.cpu.program.proof import check_exact
from quantvla_ros.quantization.activations import activation_limit
from quantvla_ros.quantization.quantized_linear import QuantizedLinear

EIGHT_BITS = MappingProxyType(
    {
        "avx2": "avx2 u7s8",
        "avxvnni": "vnni u8s8",
        "vnni": "vnni u8s8",
        "neon": "neon s8s8",
        "sdot": "sdot s8s8",
    }
)
"""Names of the products with 8-bit weights in records, by unit (see `fingerprint`)."""
FLOAT = "this package's engine"
"""What multiplies in a float policy, for records."""
Layer = FloatLayer | IntegerLayer


class Weights:
    """What is held, and how many bytes of it belong to each linear.

    Attributes:
        engine: that will multiply.
        layer_bytes: by a linear's name; a layer that two graphs call is held twice.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.layer_bytes: dict[str, int] = {}
        self._kernels: set[str] = set()
        self._bits: set[int] = set()
        self._others: list[Tensor] = []

    @property
    def kernel(self) -> str:
        """What multiplies integers, with the activation grid, for records; else `FLOAT`."""
        names = " and ".join(sorted(self._kernels))
        grids = "".join(f", {bits}-bit activations" for bits in sorted(self._bits))
        return f"{names}{grids}" if names else FLOAT

    @property
    def held_bytes(self) -> int:
        """Bytes of all constants."""
        others = {tensor.data_ptr(): tensor.nbytes for tensor in self._others}
        return sum(self.layer_bytes.values()) + sum(others.values())

    def keep(self, value: Tensor) -> Tensor:
        """A constant as instructions read it: without gaps, floats in 32 bits."""
        if value.is_floating_point():
            value = value.float()
        self._others.append(value.contiguous())
        return self._others[-1]

    def keep_table(self, constants: Constants, node: fx.Node) -> Tensor:
        """A table of rows in the type in which it is stored."""
        table = constants.value(constants.before_casts(node))
        self._others.append(table.contiguous())
        return self._others[-1]

    def pack(self, layers: Sequence[Layer]) -> FloatWeights:
        """One product for layers of one form, their outputs side by side.

        Raises:
            BackendError: this processor does not multiply their integers exactly.
        """
        floats = [layer for layer in layers if isinstance(layer, FloatLayer)]
        integers = [layer for layer in layers if isinstance(layer, IntegerLayer)]
        packed = self._packed_float(floats) if floats else self._packed_integers(integers)
        return self._counted(layers, packed)

    def pack_gated(self, gate: Layer, up: Layer) -> FloatWeights:
        """The same for a gate and what it opens; neither has a bias."""
        if isinstance(gate, FloatLayer):
            assert isinstance(up, FloatLayer)
            first, second = gate.tensors()[0], up.tensors()[0]
            packed = pack_float(first, None, self.engine.columns, second)
            return self._counted((gate, up), packed)
        assert isinstance(up, IntegerLayer)
        return self._counted((gate, up), self._integers([gate.layer, up.layer], None, True))

    def pack_convolution(
        self, constants: Constants, weight: fx.Node, bias: fx.Node | None
    ) -> FloatWeights:
        """A convolution's weight with its inputs in the order row, column, channel."""
        matrix = constants.value(weight).float().permute(0, 2, 3, 1).flatten(1)
        row = None if bias is None else constants.value(bias)
        packed = pack_float(matrix, row, self.engine.columns)
        self._others += [t for t in (packed.weight, packed.bias) if t is not None]
        return packed

    def _packed_float(self, layers: Sequence[FloatLayer]) -> FloatWeights:
        parts = [layer.tensors() for layer in layers]
        weight = torch.cat([weight for weight, _ in parts])
        return pack_float(weight, _joined_bias(parts), self.engine.columns)

    def _packed_integers(self, layers: Sequence[IntegerLayer]) -> FloatWeights:
        modules = [layer.layer for layer in layers]
        bias = _joined_bias([(module.scale, module.bias) for module in modules])
        return self._integers(modules, bias, False)

    def _integers(
        self, layers: Sequence[QuantizedLinear], bias: Tensor | None, gated: bool
    ) -> FloatWeights:
        first, columns = layers[0], self.engine.columns
        codes, scales = [layer.codes() for layer in layers], [layer.scale for layer in layers]
        if not gated:
            codes, scales = [torch.cat(codes)], [torch.cat(scales)]
        bits = 4 if first.precision.packed else 8
        if first.precision.activation == "float":
            packed = pack_codes(codes, scales, bias, columns, bits)
            self._kernels.add(f"{self.engine.unit} f32 on {bits}-bit weights")
        else:
            self._bits.add(first.activation_bits)
            zero = self.engine.zero_point(activation_limit(first.activation_bits))
            packed = pack_integer(codes, scales, bias, columns, bits, zero)
            self._kernels.add("u4s8" if bits == 4 else EIGHT_BITS[self.engine.unit])
        check_exact(self.engine, packed, codes, scales, first)
        return packed

    def _counted(self, layers: Sequence[Layer], packed: FloatWeights) -> FloatWeights:
        """Each layer has its rows' share of the bytes."""
        rows = [_rows(layer) for layer in layers]
        for layer, count in zip(layers, rows, strict=True):
            share = packed.held_bytes * count // sum(rows)
            self.layer_bytes[layer.name] = self.layer_bytes.get(layer.name, 0) + share
        return packed


def _rows(layer: Layer) -> int:
    if isinstance(layer, IntegerLayer):
        return layer.layer.scale.shape[0]
    return int(layer.constants.like(layer.weight).shape[0])


def _joined_bias(parts: Collection[tuple[Tensor, Tensor | None]]) -> Tensor | None:
    """Biases of layers side by side, given a tensor of as many rows each; None without any."""
    if all(bias is None for _, bias in parts):
        return None
    return torch.cat([torch.zeros(len(w)) if b is None else b.float() for w, b in parts])
