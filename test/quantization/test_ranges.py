# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.activations import quantize_static
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.ranges import expected_error, static_range

LIMIT = 127


def seen(x):
    network = nn.Sequential(nn.Linear(x.shape[-1], 2))
    return observe_inputs(network, ["0"], lambda: network(x), hessian=False)["0"]


def real_error(x, clip):
    scale = torch.tensor(clip / LIMIT)
    return float(((quantize_static(x, LIMIT, scale) * scale - x) ** 2).sum() / x.square().sum())


@pytest.mark.parametrize("clip", [0.5, 1.5, 3.0, 6.0])
def test_the_expected_error_is_the_real_one(clip):
    torch.manual_seed(0)
    x = torch.randn(2000, 16)
    assert expected_error(seen(x), clip, LIMIT) == pytest.approx(real_error(x, clip), rel=0.1)


def test_the_search_is_no_worse_than_the_others_and_finds_the_outlier_too_dear():
    torch.manual_seed(0)
    x = torch.randn(4000, 16)
    x[5, 3] = 25.0
    found = {method: static_range(seen(x), method, LIMIT) for method in ("absmax", "mse")}
    assert found["absmax"].clip == 25.0
    assert found["mse"].clip < 20.0
    assert real_error(x, found["mse"].clip) < real_error(x, found["absmax"].clip)
    percentile = static_range(seen(x), "percentile", LIMIT)
    assert percentile.clip == pytest.approx(float(x.abs().flatten().quantile(0.999)), rel=0.02)
    assert real_error(x, found["mse"].clip) <= real_error(x, percentile.clip) * 1.001


def test_massive_outliers_that_carry_the_signal_are_not_clipped():
    torch.manual_seed(0)
    x = torch.randn(4000, 16) * 0.01
    x[::50, 3] = 100.0
    assert static_range(seen(x), "mse", LIMIT).clip > 99.0
    assert static_range(seen(x), "percentile", LIMIT).clip < 101.0


def test_an_unknown_method_is_named():
    with pytest.raises(QuantVLAError, match="'widest'"):
        static_range(seen(torch.randn(20, 4)), "widest", LIMIT)
