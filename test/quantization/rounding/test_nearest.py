# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.codes import dequantize, grid_limit
from quantvla_ros.quantization.rounding.nearest import round_nearest


def weight_of(seed=0):
    return torch.randn(5, 16, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    bits=st.sampled_from([2, 3, 4, 8]),
    group=st.sampled_from([None, 1, 4, 16]),
    size=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_no_weight_is_further_off_than_half_a_step(seed, bits, group, size):
    weight = weight_of(seed) * size
    codes = round_nearest(weight, bits, group)
    limit = 2 ** (bits - 1) - 1
    assert codes.values.dtype == torch.int8 and int(codes.values.abs().max()) == limit
    assert codes.scales.shape == (5, 1 if group is None else 16 // group)
    steps = codes.scales.repeat_interleave(16 // codes.scales.shape[1], dim=1)
    assert bool(((dequantize(codes) - weight).abs() <= 0.5001 * steps).all())
    # A step is as fine as the largest weight of the group allows.
    peak = weight.reshape(5, codes.scales.shape[1], -1).abs().amax(dim=2)
    torch.testing.assert_close(codes.scales * limit, peak)


def test_a_group_has_its_own_scale():
    weight = weight_of()
    weight[:, :4] *= 100.0
    fine, coarse = round_nearest(weight, 4, 4), round_nearest(weight, 4)
    small = weight[:, 4:]
    error = (dequantize(fine)[:, 4:] - small).norm()
    assert error < 0.2 * small.norm()
    assert (dequantize(coarse)[:, 4:] - small).norm() > 5 * error


def test_an_all_zero_channel_stays_zero():
    weight = weight_of()
    weight[2] = 0.0
    codes = round_nearest(weight, 4)
    assert bool((codes.values[2] == 0).all()) and bool(torch.isfinite(codes.scales).all())


def test_grids_are_symmetric():
    assert [grid_limit(bits) for bits in (2, 3, 4, 7, 8)] == [1, 3, 7, 63, 127]


@pytest.mark.parametrize("group", [0, 5, 32])
def test_a_group_size_that_does_not_divide_is_refused(group):
    with pytest.raises(QuantVLAError, match=f"group of {group} columns does not divide"):
        round_nearest(weight_of(), 4, group)


def test_a_weight_that_is_not_finite_is_refused():
    weight = weight_of()
    weight[1, 1] = torch.nan
    with pytest.raises(QuantVLAError, match="NaN or infinite"):
        round_nearest(weight, 8)
