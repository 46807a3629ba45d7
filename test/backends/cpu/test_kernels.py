# SPDX-License-Identifier: Apache-2.0
"""Every integer kernel against int64 arithmetic, extreme inputs first."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.backends.cpu import kernels
from quantvla_ros.backends.cpu.c_float import CFloat
from quantvla_ros.backends.cpu.c_int4 import CInt4
from quantvla_ros.backends.cpu.c_int8 import CInt8
from quantvla_ros.backends.cpu.c_library import (
    adds_in_32_bits,
    library_for,
    load_library,
    native_unit,
)
from quantvla_ros.backends.cpu.kernels import native_activation_bits, pack
from quantvla_ros.backends.cpu.onednn_int8 import OneDnnInt8
from quantvla_ros.backends.cpu.packed_weight import Product
from quantvla_ros.backends.cpu.torch_product import TorchProduct
from quantvla_ros.errors import BackendError
from quantvla_ros.quantization.activations import quantize_activation, quantize_static
from quantvla_ros.quantization.schemes import Precision

# Kernel, bits of the weights, bits of the activations.
KINDS = {
    "onednn": (lambda _, p: OneDnnInt8(p), 8, native_activation_bits(Precision(8))),
    "c int8": (CInt8, 8, 7),
    "c int8, 8 bits": (CInt8, 8, native_activation_bits(Precision(8))),
    "c int4": (CInt4, 4, 8),
    # On a CPU with VNNI too, what is compiled for one without it.
    "c int8, AVX2": (lambda _, p: CInt8(library_for("avx2"), p), 8, 7),
    "c int4, AVX2": (lambda _, p: CInt4(library_for("avx2"), p), 4, 8),
    "torch int4": (lambda _, p: TorchProduct(p), 4, 8),
}
kinds = pytest.mark.parametrize("kind", KINDS)


def product(kind, codes, scales=None, group=None, step=None):
    bits, activation_bits = KINDS[kind][1:]
    activation = "dynamic" if step is None else "static"
    scales = torch.ones(len(codes), 1) if scales is None else scales
    return Product(codes, scales, Precision(bits, group, activation), activation_bits, step)


def make(kind, value):
    library = load_library()
    if library is None and kind.startswith("c "):
        pytest.skip("no kernel of ours here, or no C compiler")
    if native_unit() in ("neon", "sdot") and (kind == "onednn" or "AVX2" in kind):
        pytest.skip("of x86")
    return KINDS[kind][0](library, value)


def random_codes(kind, rows, depth, generator=None):
    limit = 7 if KINDS[kind][1] == 4 else 127
    shape = (rows, depth)
    return torch.randint(-limit, limit + 1, shape, dtype=torch.int8, generator=generator)


def exact(x, value):
    """The product in int64, scaled in float64, and the sum of its terms' magnitudes."""
    if value.step is None:
        grid, step = quantize_activation(x, value.limit)
    else:
        step = torch.tensor(value.step)
        grid = quantize_static(x, value.limit, step)
    groups = value.scales.shape[1]
    codes = value.codes.long().unflatten(1, (groups, -1))
    sums = torch.einsum("tgk,ogk->tog", grid.long().unflatten(1, (groups, -1)), codes)
    terms = sums.double() * value.scales.double()
    return terms.sum(-1) * step.double(), terms.abs().sum(-1) * step.double()


def assert_exact(kind, value, x):
    expected, size = exact(x, value)
    error = (make(kind, value).apply(x).double() - expected).abs()
    assert bool((error <= size * 2.0**-21).all()), float((error / size).nan_to_num().max())


@kinds
@pytest.mark.parametrize("depth", [16, 256, 1000, 4096])
@pytest.mark.parametrize("step", [None, 1.0, 0.37])
def test_extreme_inputs_are_exact(kind, depth, step):
    value = product(kind, random_codes(kind, 37, depth), step=step)
    limit = int(value.codes.max())
    value.codes[0], value.codes[1] = limit, -limit
    value.codes[2, ::2] = limit
    x = torch.full((5, depth), float(value.limit)) * (step or 1.0)
    x[1] *= -1
    x[2, ::2] *= -1
    x[3, 1:] = 0
    assert exact(x, value)[0].abs().max() == pytest.approx(
        limit * value.limit * depth * (step or 1.0)
    )
    assert_exact(kind, value, x)


@kinds
@pytest.mark.parametrize("step", [None, 0.02])
@given(
    tokens=st.integers(1, 9),
    depth=st.integers(1, 70),
    rows=st.integers(1, 40),
    size=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_any_shape_agrees_with_int64(kind, step, tokens, depth, rows, size, seed):
    generator = torch.Generator().manual_seed(seed)
    scales = torch.rand(rows, 1, generator=generator) + 0.1
    value = product(kind, random_codes(kind, rows, depth, generator), scales, step=step)
    assert_exact(kind, value, torch.randn(tokens, depth, generator=generator) * size)


@pytest.mark.parametrize("kind", ["c int4", "torch int4"])
@pytest.mark.parametrize("step", [None, 0.05])
@given(
    tokens=st.integers(1, 9),
    group=st.integers(1, 24).map(lambda n: 4 * n),
    groups=st.integers(1, 5),
    rows=st.integers(1, 40),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_groups_agree_with_int64(kind, step, tokens, group, groups, rows, seed):
    generator = torch.Generator().manual_seed(seed)
    scales = torch.rand(rows, groups, generator=generator) + 0.1
    codes = random_codes(kind, rows, group * groups, generator)
    value = product(kind, codes, scales, group, step)
    assert_exact(kind, value, torch.randn(tokens, group * groups, generator=generator))


@kinds
@pytest.mark.parametrize("step", [None, 0.05])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 7, 34])
def test_what_is_not_finite_stays_so_and_stays_in_its_token(kind, step, bad, place):
    value = product(kind, random_codes(kind, 16, 35), step=step)
    x = torch.randn(3, 35)
    x[1, place] = bad
    out = make(kind, value).apply(x)
    assert not bool(torch.isfinite(out[1]).any())
    assert bool(torch.isfinite(out[[0, 2]]).all())


@pytest.mark.parametrize("make_float", [CFloat, lambda _, p: TorchProduct(p)])
@pytest.mark.parametrize(
    ("bits", "group", "depth"),
    [(8, None, 36), (4, None, 36), (4, 4, 36), (4, 12, 36), (8, None, 700), (4, 100, 700)],
)
@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5, 6, 13])
@pytest.mark.parametrize("rows", [1, 16, 21])
def test_weight_only_is_the_product_with_the_weights(make_float, bits, group, depth, tokens, rows):
    if load_library() is None and make_float is CFloat:
        pytest.skip("needs AVX2 and a C compiler")
    groups = 1 if group is None else depth // group
    codes = random_codes("c int8" if bits == 8 else "c int4", rows, depth)
    value = Product(codes, torch.rand(rows, groups) + 0.1, Precision(bits, group, "float"), 8)
    x = torch.randn(tokens, depth) * 10
    weight = (codes.unflatten(1, (groups, -1)).double() * value.scales[:, :, None]).flatten(1)
    error = (make_float(load_library(), value).apply(x).double() - x.double() @ weight.T).abs()
    assert bool((error <= x.double().abs() @ weight.abs().T * 2.0**-21).all())


def test_eight_bits_with_eight_bit_weights_are_refused_where_they_saturate():
    value = Product(
        torch.full((32, 256), 127, dtype=torch.int8), torch.ones(32, 1), Precision(8), 8
    )
    if adds_in_32_bits():
        assert pack(value).rows == 32
    else:
        with pytest.raises(BackendError, match="quantize the bundle again on this machine"):
            pack(value)


@pytest.mark.parametrize("group", [None, 8])
def test_a_wrong_kernel_is_found_out(monkeypatch, group):
    """A weight too large by one step, in the last group, does not pass the proof."""

    def choose(value):
        codes = value.codes.clone()
        codes[-1, -1] += 1
        return TorchProduct(
            Product(codes, value.scales, value.precision, value.activation_bits, value.step)
        )

    scales = torch.full((6, 1 if group is None else 2), 0.01)
    for activation, step in (("dynamic", None), ("static", 0.1), ("float", None)):
        codes = torch.randint(-3, 4, (6, 16), dtype=torch.int8)
        value = Product(codes, scales, Precision(4, group, activation), 8, step)
        assert pack(value).rows == 6
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "_choose", choose)
            with pytest.raises(BackendError, match="exactly"):
                pack(value)


def test_four_bit_weights_leave_room_for_eight_bit_activations():
    assert native_activation_bits(Precision(4)) == 8
    assert native_activation_bits(Precision(8, None, "float")) == 8
    assert native_activation_bits(Precision(8), Precision(4)) == (8 if adds_in_32_bits() else 7)


@kinds
def test_held_bytes_are_those_of_the_weights_and_little_more(kind):
    value = product(kind, random_codes(kind, 64, 256))
    weights = 64 * 256 * KINDS[kind][1] // 8
    assert weights < make(kind, value).held_bytes <= weights + 64 * 8


def test_four_bit_weights_hold_at_least_seventy_percent_less_than_16_bit_floats():
    for group, saved in ((None, 0.74), (64, 0.71)):
        scales = torch.ones(1024, 1 if group is None else 4)
        value = product("c int4", random_codes("c int4", 1024, 256), scales, group)
        assert pack(value).held_bytes < (1 - saved) * 2 * 1024 * 256
