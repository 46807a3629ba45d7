# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from support.graph_policies import graph_policy

from quantvla_ros.backends.graphs.export import graphs_of
from quantvla_ros.quantization.largest import largest_by_part


def observed(policy):
    graphs = graphs_of(policy.bundle, policy.network)
    part_of = lambda name: graphs.part_of(name, graphs.step.part)  # noqa: E731
    return largest_by_part(policy.network, part_of, lambda: policy.chunks())


def test_a_large_number_is_seen_in_its_part_alone():
    policy = graph_policy("mini_pi05")
    before = observed(policy)
    assert set(before) == {"vision", "language", "expert"}
    network = policy.network
    network.language_model.layers[0].mlp.up_proj.weight.mul_(1e4)
    after = observed(policy)
    assert after["language"] > 1e3 * before["language"] and after["vision"] == before["vision"]
    assert not network.language_model.layers[0].mlp.up_proj._forward_hooks


def test_logits_count_though_no_module_gives_them():
    policy = graph_policy("reach")
    before = observed(policy)["head"]
    for projection in (policy.network.head[0].cross.q_proj, policy.network.head[0].cross.k_proj):
        projection.weight.mul_(100.0)
        projection.bias.mul_(100.0)
    after = observed(policy)["head"]
    context = policy.network.encode(policy.inputs[0])
    assert after > 500 * before and after > 2 * float(context["pairs"][0][0].abs().max())


def test_the_rounded_network_is_observed_too():
    policy = graph_policy("reach")
    before = observed(policy)
    policy.quantize()
    assert observed(policy) == pytest.approx(before, rel=0.2) and torch.is_grad_enabled()
