# SPDX-License-Identifier: Apache-2.0
import torch
from torch import nn

from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.transforms.hadamard import hadamard
from quantvla_ros.quantization.transforms.rotation import RotatedLinear
from studies.fake_quantization.file import StudyLinear


def layer_and_input():
    torch.manual_seed(0)
    return nn.Linear(32, 6).requires_grad_(False), torch.randn(3, 5, 32)


def test_weights_and_inputs_lie_on_their_grids():
    linear, x = layer_and_input()
    codes = round_nearest(linear.weight, 3)
    layer = StudyLinear(linear, dequantize(codes), activation_bits=4)
    steps = x.abs().amax(dim=-1, keepdim=True) / 7
    grid = (x / steps).round()
    assert int(grid.abs().max()) == 7
    expected = (grid * steps) @ dequantize(codes).T + linear.bias
    torch.testing.assert_close(layer(x), expected)


def test_without_activation_bits_only_the_weight_is_rounded():
    linear, x = layer_and_input()
    codes = round_nearest(linear.weight, 2)
    expected = x @ dequantize(codes).T + linear.bias
    torch.testing.assert_close(StudyLinear(linear, dequantize(codes), None)(x), expected)


def test_a_quantile_cuts_the_largest_inputs():
    linear, x = layer_and_input()
    x[..., 4] = 1000.0
    codes = round_nearest(linear.weight, 8)
    layer = StudyLinear(linear, dequantize(codes), activation_bits=8, quantile=0.9)
    end = torch.quantile(x.abs(), 0.9, dim=-1, keepdim=True)
    cut = x.clamp(-end, end)
    assert float((layer(x) - linear(cut)).norm() / linear(cut).norm()) < 0.02
    whole = StudyLinear(linear, dequantize(codes), activation_bits=8)
    assert float((whole(x) - linear(x)).norm() / linear(x).norm()) < 0.02


def test_a_transform_stays_in_front_of_the_rounding():
    linear, x = layer_and_input()
    rotated = RotatedLinear.from_linear(linear, 32)
    codes = round_nearest(rotated.weight, 8)
    layer = StudyLinear(rotated, dequantize(codes), activation_bits=8)
    error = (layer(x) - linear(x)).norm() / linear(x).norm()
    assert float(error) < 0.02
    plain = StudyLinear(linear, dequantize(codes), activation_bits=8)
    torch.testing.assert_close(layer(x), plain(hadamard(x, 32)))


def test_the_float_weight_is_not_kept_in_the_module():
    linear, _ = layer_and_input()
    layer = StudyLinear(linear, dequantize(round_nearest(linear.weight, 4)), 8)
    assert set(layer.state_dict()) == {"weight", "bias"} and not list(layer.parameters())
