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


def seen(x, sample=False):
    network = nn.Sequential(nn.Linear(x.shape[-1], 2))
    found = observe_inputs(network, ["0"], lambda: network(x), hessian=False, sample=sample)
    return found["0"]


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


@pytest.mark.parametrize("read", [0.0, 30.0])
def test_what_the_outputs_lose_decides_and_not_what_the_input_loses(read):
    """Giants of a channel that nothing reads are cut off; of one that all read, they are kept."""
    torch.manual_seed(0)
    x, weight = torch.randn(2000, 16), torch.randn(8, 16)
    x[::100, 3], weight[:, 3] = 25.0, read
    statistics = seen(x, sample=True)
    clips = {m: static_range(statistics, m, LIMIT, [weight]).clip for m in ("output", "mse")}
    lost = {m: real_output_error(x, weight, clip) for m, clip in clips.items()}
    assert clips["output"] < 8.0 if read == 0.0 else clips["output"] > 24.0
    assert lost["output"] <= (0.9 if read == 0.0 else 1.0) * lost["mse"]


def real_output_error(x, weight, clip):
    scale = torch.tensor(clip / LIMIT)
    lost = (quantize_static(x, LIMIT, scale) * scale - x) @ weight.T
    wanted = x @ weight.T
    return float((lost.square().sum(1) / wanted.square().sum(1).clamp(min=1.0)).mean())


def test_an_unknown_method_is_named():
    with pytest.raises(QuantVLAError, match="'widest'"):
        static_range(seen(torch.randn(20, 4)), "widest", LIMIT)
