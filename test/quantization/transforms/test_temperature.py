# SPDX-License-Identifier: Apache-2.0
"""Temperatures in networks with a norm on the queries, whose heads share a gain or do not."""

import copy

import pytest
import torch
from support.network_runs import chunk
from support.normed_policy import normed_network
from support.tiny_policy import CONFIG, FLOW, network_inputs, noise, tiny_network

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.joint.sites import attentions
from quantvla_ros.quantization.corrections import match, observe_logits
from quantvla_ros.quantization.folding import fold_temperature
from quantvla_ros.quantization.teacher import FlowPath, Sample, encode_all
from quantvla_ros.quantization.transforms.temperature import fold_into_gain, foldable_spread

ALPHA = torch.tensor([1.2, 0.8, 1.0, 1.1])
SAME = torch.full((4,), 1.2)


@pytest.mark.parametrize(("kind", "alpha"), [("per_head", ALPHA), ("shared", SAME)])
def test_folding_equals_multiplying_the_logits_at_run_time(kind, alpha):
    network = normed_network(kind)
    folded = copy.deepcopy(network)
    plain = chunk(network)
    for attention in attentions(folded).values():
        fold_temperature(attention, alpha)
    for attention in attentions(network).values():
        attention.core.register_forward_pre_hook(
            lambda _, a: (a[0] * alpha[None, :, None, None], *a[1:])
        )
    torch.testing.assert_close(chunk(folded), chunk(network), atol=2e-5, rtol=1e-4)
    assert float((chunk(folded) - plain).abs().max()) > 1e-3
    changed = {
        n for n, p in network.named_parameters() if not torch.equal(p, folded.get_parameter(n))
    }
    assert changed == {
        f"action_expert.layers.{i}.self_attn.q_norm.weight" for i in range(CONFIG.layers)
    }
    assert [n for n, _ in network.named_modules()] == [n for n, _ in folded.named_modules()]


def test_temperatures_that_differ_do_not_fold_into_a_shared_gain():
    norm = normed_network("shared").action_expert.layers[0].self_attn.q_norm
    before = norm.weight.clone()
    with pytest.raises(QuantVLAError, match="fit one a layer"):
        fold_into_gain(norm, ALPHA)
    assert torch.equal(norm.weight, before)


@pytest.mark.parametrize("kind", ["per_head", "shared"])
def test_wrong_temperatures_are_found_and_folded_back(kind):
    """A shared gain is one temperature a layer, found over all its heads."""
    teacher = normed_network(kind)
    student = copy.deepcopy(teacher)
    wrong = torch.tensor([0.8, 0.9, 1.1, 1.0]) if kind == "per_head" else torch.full((4,), 0.8)
    for attention in attentions(student).values():
        fold_temperature(attention, wrong)
    samples = [Sample(network_inputs(i), noise(i)) for i in range(3)]
    contexts = encode_all(teacher, samples)
    path = FlowPath(teacher, samples, contexts, FLOW)
    target, got = (
        observe_logits(attentions(network), lambda n=network: path.replay(n, contexts))
        for network in (teacher, student)
    )
    # The first layer sees undisturbed inputs, so its coefficients are the exact inverse.
    name = "layers.0.self_attn"
    alpha = match(target, got)[name]
    torch.testing.assert_close(alpha, 1.0 / wrong, atol=1e-3, rtol=0)
    fold_temperature(attentions(student)[name], alpha)
    gains = [n.action_expert.layers[0].self_attn.q_norm.weight for n in (teacher, student)]
    torch.testing.assert_close(*gains, atol=3e-3, rtol=0)


def test_the_spread_of_heads_with_one_gain_is_their_root_mean_square():
    spread = torch.tensor([1.0, 2.0, 3.0, 4.0])
    shared, per_head = (
        normed_network(kind).action_expert.layers[0].self_attn for kind in ("shared", "per_head")
    )
    torch.testing.assert_close(foldable_spread(shared, spread), torch.full((4,), 7.5**0.5))
    assert torch.equal(foldable_spread(per_head, spread), spread)
    plain = tiny_network().action_expert.layers[0].self_attn
    assert torch.equal(foldable_spread(plain, spread), spread)
