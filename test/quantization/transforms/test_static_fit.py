# SPDX-License-Identifier: Apache-2.0
"""Transforms fitted to static ranges, on a gated MLP whose middle has tails as language models."""

import copy

import pytest
import torch
import torch.nn.functional as F
from support.transformed import observe as observe_policy
from support.transformed import outlier_network, relative_errors
from torch import nn

from quantvla_ros.models.joint.sites import find_sites
from quantvla_ros.models.sites import GatedSite, NormSite, Sites
from quantvla_ros.quantization.layerwise import quantized, round_layer
from quantvla_ros.quantization.modules import linear_at, replace_module
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.ranges import static_range
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.rotation import RotatedLinear
from quantvla_ros.quantization.transforms.static_fit import StaticFit

BOTH = ("smoothquant", "hadamard")
SITES = Sites(
    norms=[NormSite("norm", ("gate_proj", "up_proj"))], gated=[GatedSite("up_proj", "down_proj")]
)
NAMES = ["gate_proj", "up_proj", "down_proj"]


class GatedMLP(nn.Module):
    """A norm and a gated MLP; three channels of its middle are far larger than all others."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.RMSNorm(64)
        self.gate_proj = nn.Linear(64, 128, bias=False)
        self.up_proj = nn.Linear(64, 128, bias=False)
        self.down_proj = nn.Linear(128, 64, bias=False)
        with torch.no_grad():
            self.norm.weight[::16] *= 20
            self.up_proj.weight[[5, 40, 99]] *= 300
            self.down_proj.weight[:, [5, 40, 99]] /= 30
        self.requires_grad_(False)

    def forward(self, x):
        y = self.norm(x)
        return self.down_proj(F.silu(self.gate_proj(y)) * self.up_proj(y))


def observe(network, sample=False):
    def run():
        for seed in range(4):
            network(tokens(seed))

    return observe_inputs(network, NAMES, run, False, sample)


def tokens(seed):
    return torch.randn(100, 64, generator=torch.Generator().manual_seed(seed))


def fitted(network, kinds=BOTH, budget=1.0):
    out, fit = copy.deepcopy(network), StaticFit(SITES, kinds, budget, 8, 127)
    fit.fit(out, observe(out, sample=True))
    fit.fold(out)
    return out, fit


def static_error(network, wanted):
    """Relative error of the outputs of fresh tokens with static ranges by MSE."""
    seen, out = observe(network), copy.deepcopy(network)
    for name in NAMES:
        linear, precision = linear_at(out, name), Precision(8, None, "static")
        codes = round_layer(name, linear, precision, seen[name], "rtn")
        scale = torch.tensor(static_range(seen[name], "mse", 127).clip / 127)
        replace_module(out, name, quantized(linear, codes, precision, 8, scale))
    return float((out(tokens(9)) - wanted).norm() / wanted.norm())


def test_long_tails_break_plain_static_ranges_and_not_fitted_ones():
    network = GatedMLP()
    wanted = network(tokens(9))
    out, fit = fitted(network)
    plain, mended = static_error(network, wanted), static_error(out, wanted)
    assert plain > 0.3 and mended < 0.03
    assert {c.layers for c in fit.inputs} == {("gate_proj", "up_proj"), ("down_proj",)}
    assert all(c.strength is not None and c.error < c.plain_error for c in fit.inputs)


def test_smoothing_folds_through_the_gated_mlp():
    network = GatedMLP()
    out, fit = fitted(network, kinds=("smoothquant",))
    assert any(c.layers == ("down_proj",) and c.strength for c in fit.inputs)
    wanted, got = network(tokens(9)), out(tokens(9))
    assert float((got - wanted).norm() / wanted.norm()) < 1e-6
    assert [type(m) for m in out.modules()] == [type(m) for m in network.modules()]


@pytest.mark.parametrize(("budget", "rotated"), [(0.0, False), (1.0, True)])
def test_rotations_keep_within_the_budget_of_products(budget, rotated):
    network = GatedMLP()
    out, fit = fitted(network, budget=budget)
    assert sum(c.added for c in fit.inputs) <= budget * fit.products
    assert fit.products == 400 * 3 * 64 * 128
    assert isinstance(out.down_proj, RotatedLinear) == rotated


def test_a_policy_computes_the_same():
    network = outlier_network(outlier=3.0)
    out, fit = copy.deepcopy(network), StaticFit(find_sites(network), BOTH, 1.0, 8, 127)
    fit.fit(out, observe_policy(network, count=1, sample=True))
    fit.fold(out)
    assert any(choice.strength for choice in fit.inputs)
    assert max(relative_errors(network, out, seed=50)) < 1e-5
