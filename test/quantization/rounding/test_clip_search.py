# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.rounding.clip_search import round_clipped
from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.nearest import round_nearest


def drawn(seed, outlier):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 32, generator=generator)
    weight[:, 3] *= outlier
    return weight, torch.rand(32, generator=generator).square() + 1e-3


def errors(codes, weight, importance):
    return ((dequantize(codes) - weight).square() * importance).sum(dim=1)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    bits=st.sampled_from([2, 3, 4, 8]),
    group=st.sampled_from([None, 8]),
    outlier=st.sampled_from([0.0, 1.0, 10.0, 1e4]),
    weighted=st.booleans(),
)
def test_no_channel_is_worse_than_rounded_to_nearest(seed, bits, group, outlier, weighted):
    weight, importance = drawn(seed, outlier)
    codes = round_clipped(weight, bits, group, importance if weighted else None)
    counts = importance if weighted else torch.ones(32)
    clipped, nearest = (
        errors(c, weight, counts) for c in (codes, round_nearest(weight, bits, group))
    )
    assert bool((clipped <= nearest * (1 + 1e-5)).all())


def test_a_column_without_input_is_clipped_for_the_sake_of_the_others():
    weight, importance = drawn(0, 2.0)
    importance[3] = 0.0
    clipped, nearest = round_clipped(weight, 3, None, importance), round_nearest(weight, 3)
    assert (
        errors(clipped, weight, importance).sum() < 0.7 * errors(nearest, weight, importance).sum()
    )
    assert bool((clipped.scales <= nearest.scales).all())


def test_importance_that_is_not_finite_is_refused():
    weight, importance = drawn(0, 1.0)
    importance[0] = torch.inf
    with pytest.raises(QuantVLAError, match="record the calibration buffer again"):
        round_clipped(weight, 4, None, importance)
