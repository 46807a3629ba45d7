# SPDX-License-Identifier: Apache-2.0
"""Networks quantized without calibration."""

from __future__ import annotations

from torch import nn

from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision


def quantize_nearest(
    network: nn.Module, names: list[str], precision: Precision, activation_bits: int
) -> None:
    """Round the named linears of `network` to nearest, in place; no static activation ranges."""
    for name in names:
        linear = network.get_submodule(name)
        codes = round_nearest(linear.weight, precision.weight_bits, precision.group)
        layer = QuantizedLinear.from_codes(codes, linear.bias, precision, activation_bits)
        replace_module(network, name, layer)
