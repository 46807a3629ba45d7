# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch import nn

from quantvla_ros.quantization.activations import activation_limit, quantize_activation
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.hadamard import hadamard

FORMS = [Precision(8), Precision(4), Precision(4, 16), Precision(3), Precision(2, 32)]


def layer_of(linear, precision, bits=8, step=None, rotation=None):
    codes = round_nearest(linear.weight, precision.weight_bits, precision.group)
    step = None if step is None else torch.tensor(step)
    return QuantizedLinear.from_codes(codes, linear.bias, precision, bits, step, rotation)


@pytest.mark.parametrize("precision", FORMS)
def test_weights_are_held_exactly(precision):
    linear = nn.Linear(64, 10)
    layer = layer_of(linear, precision)
    codes = round_nearest(linear.weight, precision.weight_bits, precision.group)
    assert torch.equal(layer.codes(), codes.values)
    assert layer.weight.nbytes == 640 * (1 if precision.weight_bits == 8 else 0.5)
    step = codes.scales.repeat_interleave(precision.group or 64, dim=1)
    assert bool(((layer.dequantized() - linear.weight).abs() <= 0.5001 * step).all())


@pytest.mark.parametrize("bits", [7, 8])
@pytest.mark.parametrize("precision", FORMS)
def test_forward_is_integer_arithmetic(precision, bits):
    torch.manual_seed(1)
    linear = nn.Linear(64, 10)
    layer = layer_of(linear, precision, bits)
    x = torch.randn(5, 64)
    grid, token_step = quantize_activation(x, activation_limit(bits))
    groups = layer.scale.shape[1]
    shape = (groups, 64 // groups)
    codes = layer.codes().long().unflatten(1, shape)
    sums = torch.einsum("tgk,ogk->tog", grid.long().unflatten(1, shape), codes)
    expected = (sums.double() * layer.scale).sum(-1) * token_step + linear.bias
    torch.testing.assert_close(layer(x).double(), expected.double(), atol=1e-5, rtol=1e-5)


def test_static_range_clips_and_needs_no_other_token():
    layer = layer_of(nn.Linear(16, 8), Precision(8, None, "static"), 8, 2.0 / 127)
    x = torch.randn(2, 3, 16).clamp(-2, 2)
    x[0, 0, 0], x[0, 1, 1] = 2.0, -2.0
    inside = layer(x)
    weight = layer.dequantized()
    torch.testing.assert_close(inside, x @ weight.T + layer.bias, atol=0.05, rtol=0)
    x[0, 0, 0], x[0, 1, 1] = 300.0, -300.0
    torch.testing.assert_close(layer(x), inside)


def test_tokens_do_not_influence_each_other():
    layer = layer_of(nn.Linear(16, 8), Precision(8))
    x = torch.randn(2, 3, 16)
    alone = layer(x[1:, 2:])
    x[0] *= 1000
    torch.testing.assert_close(layer(x)[1:, 2:], alone)


def test_weight_only_is_the_product_with_the_held_weights():
    layer = layer_of(nn.Linear(32, 8), Precision(4, 16, "float"))
    x = torch.randn(3, 32)
    torch.testing.assert_close(layer(x), x @ layer.dequantized().T + layer.bias)


def test_a_rotated_layer_turns_its_input():
    linear = nn.Linear(64, 8)
    turned = nn.Linear(64, 8)
    with torch.no_grad():
        turned.weight.copy_(hadamard(linear.weight, 32))
        turned.bias.copy_(linear.bias)
    layer = layer_of(turned, Precision(8), rotation=32)
    x = torch.randn(4, 64)
    error = (layer(x) - linear(x)).norm() / linear(x).norm()
    assert error < 0.02


@pytest.mark.parametrize("precision", [*FORMS, Precision(8, None, "static")])
def test_an_empty_layer_takes_the_state_of_a_full_one(precision):
    linear = nn.Linear(64, 10)
    full = layer_of(linear, precision, step=0.1 if precision.activation == "static" else None)
    empty = QuantizedLinear.empty(linear, precision, 8)
    empty.load_state_dict(full.state_dict())
    x = torch.randn(2, 64)
    assert torch.equal(empty(x), full(x))


def test_a_static_range_without_a_scale_is_a_mistake():
    with pytest.raises(ValueError, match="exactly when"):
        layer_of(nn.Linear(8, 8), Precision(8, None, "static"))
