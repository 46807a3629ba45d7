# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from support import tiny_groot, tiny_groot_n15
from support.seen_modules import seen_modules
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.dit.roles import layer_roles
from quantvla_ros.models.dit.sites import attentions
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.transforms.rotation import HadamardRotation
from quantvla_ros.quantization.transforms.smoothquant import SmoothQuant

QUANTIZED = ("llm_attn", "llm_mlp", "dit_attn", "dit_mlp")


@pytest.fixture(scope="module", params=[tiny_groot, tiny_groot_n15], ids=["n17", "n15"])
def made(request):
    """A family's tiny network and what makes its inputs."""
    return request.param


def run(made, network, seed=0):
    context = network.encode(made.network_inputs(seed))
    return normalized_chunk(network, made.noise(seed), context, made.FLOW)


def test_every_norm_is_listed_with_all_that_read_it(made):
    network = made.tiny_network()
    sites = made.FAMILY.sites(network)
    linears, norms = layer_roles(network), [site.norm for site in sites.norms]
    seen = seen_modules(network, [*linears, *norms], lambda: run(made, network))
    for site in sites.norms:
        given = seen[site.norm][1].flatten()
        readers = {n for n in linears if torch.equal(seen[n][0].flatten(), given)}
        assert readers == set(site.readers), site.norm
    gains = {name.rpartition(".")[0] for name in network.state_dict() if "norm" in name}
    gains = {name.removesuffix(".dense") for name in gains}
    # Of a head's queries and keys.
    heads = {name for name in gains if name.endswith(("q_norm", "k_norm"))}
    assert gains - heads - set(norms) == made.UNLISTED


def test_every_layer_of_a_layout_has_its_place_but_keys_and_values_of_what_was_read(made):
    network = made.tiny_network()
    sites = made.FAMILY.sites(network)
    places = {name for site in sites.norms for name in site.readers}
    places |= {name for site in sites.values for name in site.readers}
    places |= {site.down for site in sites.gated} | set(sites.plain)
    layers = {name for name, role in layer_roles(network).items() if role in QUANTIZED}
    read = {f"dit.blocks.{n}.attn.{part}_proj" for n in (0, 2) for part in "kv"}
    assert layers - places == read


@pytest.fixture(scope="module")
def statistics(made):
    network = made.tiny_network()
    names = [name for name, role in layer_roles(network).items() if role in QUANTIZED]

    def several():
        for seed in range(4):
            run(made, network, seed)

    return observe_inputs(network, names, several, hessian=False)


@pytest.mark.parametrize("transform", [SmoothQuant, HadamardRotation])
def test_a_transform_changes_nothing_and_says_what_it_left_alone(made, transform, statistics):
    network = made.tiny_network()
    changed = copy.deepcopy(network)
    fitted = transform(made.FAMILY.sites(changed))
    fitted.fit(changed, statistics)
    fitted.fold(changed)
    assert any(
        not torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), changed.state_dict().values(), strict=False)
    )
    torch.testing.assert_close(run(made, changed), run(made, network), rtol=0, atol=2e-5)
    read = {f"dit.blocks.{n}.attn.{part}_proj" for n in (0, 2) for part in "kv"}
    assert read <= set(fitted.skipped) and all(fitted.skipped.values())


def test_smoothing_of_what_was_read_is_refused_with_its_reason(made, statistics):
    network = made.tiny_network()
    smooth = SmoothQuant(made.FAMILY.sites(network), layers=["dit.blocks.0.attn.k_proj"])
    with pytest.raises(QuantVLAError, match="no norm and no gated MLP stands in front of it"):
        smooth.fit(network, statistics)


def test_both_orders_of_an_adaptive_norm_are_smoothed(made):
    network = made.tiny_network()
    changed = copy.deepcopy(network)
    names = ["dit.blocks.1.attn.q_proj", "dit.proj_out"]
    seen = observe_inputs(changed, names, lambda: run(made, changed), hessian=False)
    smooth = SmoothQuant(made.FAMILY.sites(changed), layers=names)
    smooth.fit(changed, seen)
    smooth.fold(changed)
    for norm in ("dit.blocks.1.norm1.dense", "dit.norm_out.dense"):
        weight = changed.get_submodule(norm).weight
        assert not torch.allclose(weight, network.get_submodule(norm).weight)
    torch.testing.assert_close(run(made, changed), run(made, network), rtol=0, atol=2e-5)


def test_temperatures_and_balances_fold_into_own_and_cross_attention(made):
    network = made.tiny_network()
    found = attentions(network)
    assert list(found) == [f"blocks.{n}.attn" for n in range(4)]
    context = network.encode(made.network_inputs())
    for name, attention in found.items():
        plain = network.velocity(made.noise(), 0.5, context)
        kept = {key: value.clone() for key, value in attention.state_dict().items()}
        fold_temperature(attention, torch.tensor([1.2, 0.9]))
        fold_balance(attention, 1.1)
        assert (network.velocity(made.noise(), 0.5, context) - plain).abs().max() > 1e-5, name
        attention.load_state_dict(kept)
    assert isinstance(found["blocks.0.attn"].k_proj, nn.Linear)
    assert found["blocks.0.attn"].k_proj.in_features == network.config.language.width
