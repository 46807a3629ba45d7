# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.transformed import exactly, observe, outlier_network, relative_errors
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import find_sites
from quantvla_ros.quantization.transforms.base import seen_input
from quantvla_ros.quantization.transforms.hadamard import hadamard
from quantvla_ros.quantization.transforms.rotation import (
    HadamardRotation,
    RotatedLinear,
    block_for,
)
from quantvla_ros.quantization.transforms.smoothquant import SmoothQuant

SITES = find_sites(outlier_network())
EXPERT = "action_expert.layers.0.self_attn"
ATTENTION = "language_model.layers.0.self_attn"
DOWN = "action_expert.layers.1.mlp.down_proj"


def rotated(network, names, **options):
    out, rotation = copy.deepcopy(network), HadamardRotation(find_sites(network), **options)
    rotation.fit(out, dict.fromkeys(names))
    rotation.fold(out)
    return out, rotation


def all_linears(network):
    return list(layer_roles(network))


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 99),
    outlier=st.sampled_from([1.0, 30.0, 1e3]),
    block=st.sampled_from([2, 8, 64]),
)
def test_the_network_computes_the_same(seed, outlier, block):
    network = outlier_network(seed, outlier)
    with exactly(network):
        out, _ = rotated(network, all_linears(network), block=block)
        assert max(relative_errors(network, out, seed=50)) < 1e-9
    assert layer_roles(out) == layer_roles(network)


@pytest.mark.parametrize("seed", range(3))
def test_smoothing_and_rotation_compose_in_single_precision(seed):
    network = outlier_network(seed, outlier=3.0)
    out = copy.deepcopy(network)
    for step in (SmoothQuant(SITES), HadamardRotation(SITES)):
        step.fit(out, observe(out, count=2))
        step.fold(out)
    assert max(relative_errors(network, out)) < 1e-5


@pytest.mark.parametrize(
    "reader", [f"{ATTENTION}.o_proj", "action_expert.layers.0.self_attn.o_proj"]
)
def test_attentions_that_share_values_are_rotated_together(reader):
    """The expert attends to the language layer's values too, and heads to those of their group."""
    network = outlier_network()
    out, _ = rotated(network, [reader])
    changed = {n for n, p in network.named_parameters() if not torch.equal(p, out.get_parameter(n))}
    pair = [ATTENTION, EXPERT]
    assert changed == {f"{name}.{part}_proj.weight" for name in pair for part in "vo"}
    assert max(relative_errors(network, out)) < 1e-5
    assert not any(isinstance(m, RotatedLinear) for m in out.modules())


def test_the_inputs_are_those_of_the_rotated_frame():
    network = outlier_network()
    reader = f"{ATTENTION}.o_proj"
    before = observe(network, [reader, DOWN], hessian=True)
    out, _ = rotated(network, [reader, DOWN])
    after = observe(out, [reader, DOWN], hessian=True)
    for name, block in ((reader, 8), (DOWN, 64)):  # 8: width of a head
        hessian = hadamard(hadamard(before[name].hessian, block).T, block).T
        error = (after[name].hessian - hessian).norm() / hessian.norm()
        assert float(error) < 1e-5, name


def test_an_outlier_of_the_middle_is_spread():
    network = outlier_network()
    network.get_submodule(DOWN.replace("down", "up")).weight[3] *= 50.0
    out, _ = rotated(network, [DOWN])
    tails = []
    for each in (network, out):
        absmax = observe(each, [DOWN], count=2)[DOWN].absmax
        tails.append(float(absmax.max() / absmax.median()))
    assert tails[1] < 0.3 * tails[0]


def test_a_rotated_linear_is_the_linear_and_knows_its_block():
    linear = nn.Linear(96, 7)
    layer = RotatedLinear.from_linear(linear, block_for(96))
    x = torch.randn(3, 96)
    assert layer.rotation == 32
    torch.testing.assert_close(layer(x), linear(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(seen_input(layer, x), hadamard(x, 32))
    assert seen_input(linear, x) is x


@pytest.mark.parametrize(("width", "block"), [(64, 64), (96, 32), (720, 16), (2560, 64), (7, 1)])
def test_the_block_is_the_largest_power_of_two_that_divides(width, block):
    assert block_for(width) == block


def test_layers_behind_a_norm_are_left_alone_or_refused():
    network = outlier_network()
    _, rotation = rotated(network, [f"{ATTENTION}.q_proj", DOWN])
    assert set(rotation.skipped) == {f"{ATTENTION}.q_proj"}
    with pytest.raises(QuantVLAError, match="q_proj cannot be rotated"):
        HadamardRotation(SITES, layers=[f"{ATTENTION}.q_proj"]).fit(network, {})


def test_a_layer_is_not_rotated_twice():
    network = outlier_network()
    out, rotation = rotated(network, [DOWN])
    with pytest.raises(QuantVLAError, match="already quantized or rotated"):
        rotation.fold(out)


def test_a_block_that_is_no_power_of_two_is_refused():
    with pytest.raises(QuantVLAError, match="block of 48"):
        HadamardRotation(SITES, block=48)
