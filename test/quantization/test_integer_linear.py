# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from quantvla_ros.quantization.integer_linear import (
    IntegerLinear,
    activation_limit,
    quantize_activation,
    quantize_weight,
)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(1e-4, 1e4),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_weight_error_is_at_most_half_a_step(rows, cols, size, seed):
    weight = torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed)) * size
    quantized, scale = quantize_weight(weight)
    assert quantized.dtype == torch.int8
    assert quantized.abs().max() <= 127
    error = (weight - quantized.float() * scale[:, None]).abs()
    assert bool((error <= 0.5001 * scale[:, None] + 1e-9).all())


@pytest.mark.parametrize("bits", [7, 8])
def test_activation_grid_is_symmetric_and_full(bits):
    x = torch.tensor([[-2.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    grid, scale = quantize_activation(x, activation_limit(bits))
    assert grid[0, 0] == -activation_limit(bits)
    assert bool((grid == grid.round()).all())
    torch.testing.assert_close(grid * scale, x, atol=float(scale.max()) / 2, rtol=0)
    assert grid[1].tolist() == [0.0, 0.0, 0.0]


def test_tokens_do_not_influence_each_other():
    torch.manual_seed(0)
    layer = IntegerLinear.from_linear(nn.Linear(16, 8), 8)
    x = torch.randn(2, 3, 16)
    alone = layer(x[1:, 2:])
    x[0] *= 1000
    torch.testing.assert_close(layer(x)[1:, 2:], alone)


@pytest.mark.parametrize("bits", [7, 8])
def test_forward_is_integer_arithmetic(bits):
    torch.manual_seed(1)
    linear = nn.Linear(64, 10)
    layer = IntegerLinear.from_linear(linear, bits)
    x = torch.randn(5, 64)
    grid, token_scale = quantize_activation(x, activation_limit(bits))
    accumulator = grid.long() @ layer.weight.long().T
    expected = accumulator.double() * token_scale * layer.scale + linear.bias
    torch.testing.assert_close(layer(x).double(), expected, atol=1e-5, rtol=1e-5)
    relative = (layer(x) - linear(x)).norm() / linear(x).norm()
    assert relative < (0.02 if bits == 8 else 0.03)
