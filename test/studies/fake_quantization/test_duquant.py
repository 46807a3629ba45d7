# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from support.transformed import exactly, observe, outlier_network, relative_errors
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.transforms.base import seen_input
from studies.fake_quantization.duquant import (
    DuQuant,
    DuQuantLinear,
    greedy_rotation,
    zigzag,
)

ATTENTION = "language_model.layers.0.self_attn"
DOWN = "action_expert.layers.1.mlp.down_proj"


def moment_of(x):
    return x.T @ x / len(x)


@pytest.mark.parametrize("outlier", [1.0, 1e3])
def test_the_network_computes_the_same(outlier):
    network = outlier_network(3, outlier)
    names = [DOWN, f"{ATTENTION}.q_proj", f"{ATTENTION}.o_proj", "vision_tower.layers.0.fc1"]
    statistics = observe(network, names, hessian=True)
    with exactly(network):
        out, duquant = copy.deepcopy(network), DuQuant()
        duquant.fit(out, statistics)
        duquant.fold(out)
        assert max(relative_errors(network, out, seed=50)) < 1e-9
    assert {n for n, m in out.named_modules() if isinstance(m, DuQuantLinear)} == set(names)


def outlier_tokens():
    """Two massive channels, which share a block, and eight large ones."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 128, generator=generator)
    x[:, [3, 9]] *= 100.0
    x[:, 20:28] *= 10.0
    return x


def test_the_weight_sees_a_flat_input():
    linear = nn.Linear(128, 16).requires_grad_(False)
    network, x = nn.ModuleDict({"layer": linear}), outlier_tokens()
    found = observe_inputs(network, ["layer"], lambda: network["layer"](x), hessian=True)
    expected = linear(x)
    duquant = DuQuant()
    duquant.fit(network, found)
    duquant.fold(network)
    layer = network["layer"]
    assert float((layer(x) - expected).norm() / expected.norm()) < 1e-5
    flat = seen_input(layer, x).abs()
    peak = flat.amax(dim=0)
    assert float(peak.max() / peak.median()) < 3.0
    assert float(peak.max()) < 0.4 * float(x.abs().max())
    assert float(x.abs().amax(dim=0).max()) / float(x.abs().amax(dim=0).median()) > 80
    # Smoothing at a strength of 0.15 leaves the massive channels massive: the rest is rotation.
    assert float(layer.smoothing.min()) > 0.2


def test_the_second_rotation_flattens_what_one_block_could_not():
    x = outlier_tokens()
    first = torch.block_diag(*(greedy_rotation(moment_of(x[:, s : s + 64])) for s in (0, 64)))
    assert torch.allclose(first @ first.T, torch.eye(128, dtype=torch.float64), atol=1e-9)
    rotated = x.double() @ first
    spread = rotated.square().mean(dim=0)
    assert float(spread[:64].mean()) > 50 * float(spread[64:].mean())
    order = zigzag(spread, 64)
    halves = spread[order].reshape(2, 64).mean(dim=1)
    assert float(halves.max() / halves.min()) < 1.1


def test_a_rotation_flattens_and_never_makes_a_peak_higher():
    moment = torch.diag(torch.tensor([100.0] + [1.0] * 15))
    rotation = greedy_rotation(moment)
    after = (rotation.T @ moment.double() @ rotation).diagonal()
    assert float(after.max()) < 20.0  # the mean is 7.2
    assert torch.equal(greedy_rotation(torch.eye(16)), torch.eye(16, dtype=torch.float64))


def test_zigzag_deals_the_largest_out_forth_and_back():
    sizes = torch.tensor([8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5])
    assert zigzag(sizes, 3).tolist() == [0, 5, 6, 1, 4, 7, 2, 3, 8]


def test_a_layer_without_its_second_moment_is_refused():
    network = outlier_network()
    with pytest.raises(QuantVLAError, match=f"second moment of the inputs of {DOWN}"):
        DuQuant().fit(network, observe(network, [DOWN]))
    with pytest.raises(QuantVLAError, match="observe with Hessians"):
        DuQuant(layers=[DOWN]).fit(network, {})
