# SPDX-License-Identifier: Apache-2.0
"""Every integer kernel against int64 arithmetic, extreme inputs first."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.backends.avx2_kernel import Avx2Weight, load_kernel
from quantvla_ros.backends.int8_kernel import has_vnni, native_activation_bits, pack
from quantvla_ros.backends.onednn_kernel import OneDnnWeight
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.integer_linear import activation_limit, quantize_activation


def make_onednn(weight, scale, bits):
    return OneDnnWeight(weight, scale, bits)


def make_avx2(weight, scale, bits):
    kernel = load_kernel()
    if kernel is None or bits != 7:
        pytest.skip("the AVX2 kernel needs AVX2, a C compiler and the 7-bit grid")
    return Avx2Weight(kernel, weight, scale)


def exact(x, weight, scale, bits):
    grid, token_scale = quantize_activation(x, activation_limit(bits))
    return (grid.long() @ weight.long().T).double() * token_scale.double() * scale.double()


@pytest.mark.parametrize("make", [make_onednn, make_avx2])
@pytest.mark.parametrize("depth", [16, 256, 1000, 4096])
def test_extreme_inputs_are_exact(make, depth):
    bits = native_activation_bits()
    limit = activation_limit(bits)
    weight = torch.full((32, depth), 127, dtype=torch.int8)
    weight[1] = -127
    weight[2, ::2] = -127
    x = torch.full((5, depth), float(limit))
    x[1] = -limit
    x[2, ::2] = -limit
    x[3, 1:] = 0
    out = make(weight, torch.ones(32), bits).apply(x)
    expected = exact(x, weight, torch.ones(32), bits)
    assert float(expected.abs().max()) == 127 * limit * depth
    torch.testing.assert_close(out.double(), expected, atol=0, rtol=2**-22)


@pytest.mark.parametrize("make", [make_onednn, make_avx2])
@given(
    tokens=st.integers(1, 9),
    depth=st.integers(1, 70),
    rows=st.integers(1, 40),
    size=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_any_shape_agrees_with_int64(make, tokens, depth, rows, size, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-127, 128, (rows, depth), dtype=torch.int8, generator=generator)
    scale = torch.rand(rows, generator=generator) + 0.1
    x = torch.randn(tokens, depth, generator=generator) * size
    bits = native_activation_bits()
    out = make(weight, scale, bits).apply(x)
    expected = exact(x, weight, scale, bits)
    torch.testing.assert_close(out.double(), expected, atol=1e-6 * size, rtol=1e-6)


@pytest.mark.parametrize("make", [make_onednn, make_avx2])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 7, 34])
def test_what_is_not_finite_stays_so_and_stays_in_its_token(make, bad, place):
    weight = torch.randint(-127, 128, (16, 35), dtype=torch.int8)
    x = torch.randn(3, 35)
    x[1, place] = bad
    out = make(weight, torch.ones(16), native_activation_bits()).apply(x)
    assert not bool(torch.isfinite(out[1]).any())
    assert bool(torch.isfinite(out[[0, 2]]).all())


def test_eight_bits_are_refused_where_they_saturate():
    weight = torch.full((32, 256), 127, dtype=torch.int8)
    if has_vnni():
        assert pack(weight, torch.ones(32), 8).rows == 32
    else:
        with pytest.raises(BackendError, match="quantize the bundle again on this machine"):
            pack(weight, torch.ones(32), 8)


def test_held_bytes_are_a_byte_a_weight_and_little_more():
    weight = torch.zeros(64, 256, dtype=torch.int8)
    for make in (make_onednn, make_avx2):
        held = make(weight, torch.ones(64), native_activation_bits() if make is make_onednn else 7)
        assert 64 * 256 < held.held_bytes <= 64 * 256 + 64 * 8
