# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.transformed import exactly, observe, outlier_network, relative_errors
from torch import nn

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.joint.sites import find_sites
from quantvla_ros.quantization.transforms.smoothquant import (
    SmoothQuant,
    fold_scales,
    smoothing_scale,
)

LANGUAGE, EXPERT = "language_model.layers.0", "action_expert.layers.1"
SITES = find_sites(outlier_network())


def smoothed(network, statistics, **options):
    out, smoothing = copy.deepcopy(network), SmoothQuant(find_sites(network), **options)
    smoothing.fit(out, statistics)
    smoothing.fold(out)
    return out, smoothing


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 99),
    outlier=st.sampled_from([1.0, 30.0, 1e3]),
    strength=st.sampled_from([0.15, 0.5, 1.0]),
)
def test_the_network_computes_the_same(seed, outlier, strength):
    network = outlier_network(seed, outlier)
    with exactly(network):
        out, _ = smoothed(network, observe(network, count=1), strength=strength)
        assert max(relative_errors(network, out, seed=50)) < 1e-9
    modules = [type(m) for m in network.modules()]
    assert modules == [type(m) for m in out.modules()]


@pytest.mark.parametrize("seed", range(3))
def test_the_network_computes_the_same_in_single_precision(seed):
    network = outlier_network(seed, outlier=3.0)
    out, _ = smoothed(network, observe(network, count=1))
    assert max(relative_errors(network, out, seed=50)) < 1e-5


def test_factors_of_an_attentions_values_fold_and_queries_that_share_a_head_share_them():
    network = outlier_network()
    out, sites = copy.deepcopy(network), find_sites(network).values
    width = network.get_submodule(sites[0].makers[0]).out_features
    scale = torch.linspace(0.1, 1.0, width, dtype=torch.float64)
    with exactly(network), exactly(out):
        fold_scales(out, {site: scale for site in sites if len(site.makers) > 1})
        assert max(relative_errors(network, out, seed=50)) < 1e-9
    reader = sites[0].readers[0]
    widened = out.get_submodule(reader).weight / network.get_submodule(reader).weight
    assert widened.shape[1] > width
    heads = widened[0].unflatten(0, (width // sites[0].head_width, -1, sites[0].head_width))
    torch.testing.assert_close(heads[:, 0], heads[:, -1])


def test_outliers_move_from_the_inputs_into_the_weights():
    network = outlier_network()
    before = observe(network, count=2)
    out, _ = smoothed(network, before)
    after = observe(out, count=2)
    for name in (
        f"{LANGUAGE}.self_attn.q_proj",
        f"{EXPERT}.mlp.up_proj",
        f"{EXPERT}.mlp.down_proj",
    ):
        sizes = [s[name].absmax / s[name].absmax.median() for s in (before, after)]
        assert float(sizes[1].max()) < 0.6 * float(sizes[0].max()), name


def test_inputs_and_weights_are_as_large_as_the_formula_says():
    """At strength 1/2 each channel's input and weight end up with the same size."""
    network = outlier_network()
    names = [f"{LANGUAGE}.mlp.gate_proj", f"{LANGUAGE}.mlp.up_proj"]
    out, _ = smoothed(network, observe(network, names, count=2))
    sizes = observe(out, names, count=2)[names[0]].absmax
    weights = torch.stack([out.get_submodule(n).weight.abs().amax(dim=0) for n in names]).amax(0)
    ratio = sizes / weights
    torch.testing.assert_close(ratio, ratio[0].expand_as(ratio), rtol=1e-3, atol=0)


def test_layers_that_do_not_fold_are_told_with_their_reason():
    network = outlier_network()
    _, smoothing = smoothed(network, observe(network, count=2))
    block = "vision_tower.layers.0"
    assert "plain GELU" in smoothing.skipped[f"{block}.fc2"]
    assert "rotate it" in smoothing.skipped[f"{EXPERT}.self_attn.o_proj"]
    assert f"{block}.fc1" not in smoothing.skipped
    assert {n.rpartition(".")[2] for n in smoothing.skipped} == {"fc2", "o_proj"}


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("vision_tower.layers.0.fc2", "plain GELU"),
        ("language_model.layers.0.self_attn.o_proj", "rotate it"),
        ("action_in_proj", "no norm"),
    ],
)
def test_a_named_layer_that_does_not_fold_is_refused(layer, reason):
    network = outlier_network()
    with pytest.raises(QuantVLAError, match=f"{layer} cannot be smoothed: .*{reason}"):
        SmoothQuant(SITES, layers=[layer]).fit(network, observe(network, count=2))


def test_a_norm_that_also_feeds_a_quantized_layer_is_refused_and_nothing_is_changed():
    network = outlier_network()
    layer = f"{LANGUAGE}.self_attn.q_proj"
    smoothing = SmoothQuant(SITES, layers=[layer])
    smoothing.fit(network, observe(network, count=2))
    network.get_submodule(f"{LANGUAGE}.self_attn").k_proj = nn.Identity()
    gain = network.get_submodule(f"{LANGUAGE}.input_layernorm").weight.clone()
    with pytest.raises(QuantVLAError, match=f"input_layernorm reaches {LANGUAGE}.self_attn.k_proj"):
        smoothing.fold(network)
    assert torch.equal(gain, network.get_submodule(f"{LANGUAGE}.input_layernorm").weight)


def test_only_what_was_observed_is_smoothed():
    network = outlier_network()
    name = f"{LANGUAGE}.mlp.down_proj"
    out, _ = smoothed(network, observe(network, [name], count=2))
    changed = {n for n, p in network.named_parameters() if not torch.equal(p, out.get_parameter(n))}
    assert changed == {f"{name}.weight", f"{LANGUAGE}.mlp.up_proj.weight"}


def test_a_layer_that_was_not_observed_is_refused():
    with pytest.raises(QuantVLAError, match="its input was not observed"):
        SmoothQuant(SITES, layers=[f"{LANGUAGE}.mlp.down_proj"]).fit(outlier_network(), {})


def test_factors_stay_within_the_floor_for_dead_channels_and_dead_weights():
    absmax = torch.tensor([0.0, 1.0, 1e6, 2.0])
    weight = torch.tensor([[1.0, 0.0, 1.0, 3.0]])
    scale = smoothing_scale(absmax, [weight], 0.5)
    assert float(scale.max()) == 1.0 and float(scale.min()) == 1e-3
    dead = smoothing_scale(torch.zeros(4), [weight], 0.5)
    assert torch.equal(dead, torch.ones(4, dtype=torch.float64))


def test_a_strength_outside_its_range_is_refused():
    with pytest.raises(QuantVLAError, match=r"1\.5 is not between 0 and 1"):
        SmoothQuant(SITES, strength=1.5)
