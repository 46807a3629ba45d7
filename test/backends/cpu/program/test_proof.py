# SPDX-License-Identifier: Apache-2.0
"""The proof of packed integers finds what is wrong, and what a processor saturates."""

from __future__ import annotations

import pytest
import torch

from quantvla_ros.backends.cpu.activation_grid import native_activation_bits
from quantvla_ros.backends.cpu.engine.library import adds_in_32_bits, load_engine
from quantvla_ros.backends.cpu.program import weights
from quantvla_ros.backends.cpu.program.linear_table import IntegerLayer
from quantvla_ros.backends.cpu.program.weights import Weights
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision

FORMS = [
    Precision(8), Precision(8, None, "static"), Precision(4), Precision(4, 8),
    Precision(4, 8, "static"), Precision(8, None, "float"), Precision(4, 8, "float"),
]  # fmt: skip


def layer(precision, name="some", rows=6, columns=16, bits=None):
    codes = round_nearest(torch.randn(rows, columns), precision.weight_bits, precision.group)
    step = torch.tensor(0.1) if precision.activation == "static" else None
    bits = bits or native_activation_bits(precision)
    return IntegerLayer(name, QuantizedLinear.from_codes(codes, None, precision, bits, step))


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("precision", FORMS, ids=str)
def test_a_weight_that_is_wrong_by_one_does_not_pass(monkeypatch, precision, gated):
    both = [layer(precision, "gate"), layer(precision, "up")]

    def pack():
        held = Weights(load_engine())
        return held.pack_gated(*both) if gated else held.pack(both)

    assert pack().held_bytes > 0
    name = "pack_codes" if precision.activation == "float" else "pack_integer"
    known = getattr(weights, name)

    def wrong(codes, *others):
        codes = [part.clone() for part in codes]
        codes[-1][-1, -1] += 1 if codes[-1][-1, -1] < 7 else -1
        return known(codes, *others)

    monkeypatch.setattr(weights, name, wrong)
    with pytest.raises(BackendError, match="exactly; quantize the bundle again on this machine"):
        pack()


def test_eight_bits_with_eight_bit_weights_are_refused_where_they_saturate():
    codes = torch.full((32, 256), 127, dtype=torch.int8)
    found = layer(Precision(8), rows=32, columns=256, bits=8)
    found.layer.weight.copy_(codes)
    if adds_in_32_bits():
        assert Weights(load_engine()).pack([found]).outputs == 32
    else:
        with pytest.raises(BackendError, match="8-bit activations"):
            Weights(load_engine()).pack([found])


def test_four_bit_weights_leave_room_for_eight_bit_activations():
    assert native_activation_bits(Precision(4)) == 8
    assert native_activation_bits(Precision(8, None, "float")) == 8
    assert native_activation_bits(Precision(8), Precision(4)) == (8 if adds_in_32_bits() else 7)


def test_bytes_of_layers_that_share_a_product_add_up():
    held = Weights(load_engine())
    packed = held.pack([layer(Precision(8), "q", 8), layer(Precision(8), "k", 24)])
    assert held.layer_bytes["q"] * 3 == held.layer_bytes["k"]
    assert sum(held.layer_bytes.values()) == packed.held_bytes
