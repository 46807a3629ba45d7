# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from torch import nn

from quantvla_ros.models.blocks import Attention
from quantvla_ros.quantization.folding import fold_balance, fold_temperature, scale_rows
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision

FORMS = [
    None,
    Precision(8),
    Precision(8, None, "static"),
    Precision(4),
    Precision(4, 8),
    Precision(8, None, "float"),
    Precision(4, 16, "float"),
]


def layer_of(linear, precision):
    if precision is None:
        return linear
    codes = round_nearest(linear.weight, precision.weight_bits, precision.group)
    step = torch.tensor(0.03) if precision.activation == "static" else None
    return QuantizedLinear.from_codes(codes, linear.bias, precision, 8, step)


@pytest.mark.parametrize("precision", FORMS)
def test_scaled_rows_give_scaled_outputs_and_hold_the_same_integers(precision):
    layer = layer_of(nn.Linear(32, 6), precision)
    x, factor = torch.randn(4, 32), torch.rand(6) + 0.5
    expected = layer(x) * factor
    before = copy.deepcopy(layer.state_dict())
    scale_rows(layer, factor)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)
    if precision is not None:
        assert torch.equal(before["weight"], layer.weight)
        assert before["scale"].shape == layer.scale.shape


@pytest.mark.parametrize("precision", FORMS)
def test_temperature_and_balance_fold_into_every_form(precision):
    attention = Attention(32, heads=4, kv_heads=2, head_width=8, bias=True)
    attention.q_proj = layer_of(attention.q_proj, precision)
    attention.o_proj = layer_of(attention.o_proj, precision)
    x, alpha = torch.randn(1, 3, 32), torch.tensor([0.8, 1.0, 1.1, 1.3])
    query = attention.query(x, None) * alpha[:, None, None]
    output = attention.o_proj(x) * 0.9
    fold_temperature(attention, alpha)
    fold_balance(attention, 0.9)
    torch.testing.assert_close(attention.query(x, None), query, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(attention.o_proj(x), output, atol=1e-5, rtol=1e-5)
