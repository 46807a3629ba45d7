# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
import torch
from torch import nn

from quantvla_ros.errors import CalibrationBufferError
from quantvla_ros.quantization.observe import bin_centers, observe_inputs


class Pair(nn.Module):
    """Two linears with one input and a third behind them; a fourth is never reached."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(width, 6), nn.Linear(width, 6)
        self.c, self.unused = nn.Linear(6, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.c(self.a(x) * self.b(x))


NAMES = ["a", "b", "c", "unused"]


def batches(count=4, width=8):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 5, width, generator=generator) for _ in range(count)]


def observed(network, data, hessian=True):
    return observe_inputs(network, NAMES, lambda: [network(x) for x in data], hessian)


def test_statistics_are_those_of_all_batches_joined():
    network, data = Pair(), batches()
    found = observed(network, data)
    tokens = torch.cat(data).reshape(-1, 8)
    assert set(found) == {"a", "b", "c"}
    assert found["a"].count == 40
    torch.testing.assert_close(found["a"].absmax, tokens.abs().amax(0))
    torch.testing.assert_close(found["a"].mean_square, tokens.square().mean(0))
    torch.testing.assert_close(found["a"].hessian, tokens.T @ tokens / 40)
    inner = network.a(tokens) * network.b(tokens)
    torch.testing.assert_close(found["c"].hessian, inner.T @ inner / 40)


def test_layers_with_one_input_share_its_statistics():
    found = observed(Pair(), batches())
    assert found["a"] is found["b"]
    assert found["a"] is not found["c"]


def test_histogram_gives_percentiles_and_the_tail():
    torch.manual_seed(1)
    x = torch.rand(1, 4000, 8) * 0.9 + 0.1
    x[0, 17, 3] = 50.0
    found = observed(Pair(), [x], hessian=False)["a"]
    assert found.hessian is None
    assert int(found.histogram.sum()) == x.numel()
    for share in (0.5, 0.9, 0.999):
        exact = float(torch.quantile(x.flatten(), share))
        assert found.percentile(share) == pytest.approx(exact, rel=0.02)
    assert found.percentile(1.0) == pytest.approx(50.0, rel=0.02)
    assert found.tail_ratio == pytest.approx(50.0, rel=0.03)


def test_a_bin_holds_its_center():
    centers = bin_centers()[1:-200]
    assert bool((centers[1:] > centers[:-1]).all())


def test_hooks_are_gone_afterwards_even_after_an_error():
    network = Pair()
    with pytest.raises(ZeroDivisionError):
        observe_inputs(network, NAMES, lambda: 1 / 0, False)
    assert not any(module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_an_input_that_is_not_finite_is_named(bad):
    data = batches()
    data[2][0, 1, 4] = bad
    with pytest.raises(CalibrationBufferError, match="layer 'a' holds NaN"):
        observed(Pair(), data, hessian=False)


def test_a_constant_input_is_named():
    data = [torch.linspace(0, 1, 8).expand(1, 5, 8).clone() for _ in range(3)]
    with pytest.raises(CalibrationBufferError, match="layer 'a' is the same in every"):
        observed(Pair(), data, hessian=False)
