# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from support.tiny_policy import STEPS, network_inputs, noise, tiny_network
from torch import nn

from quantvla_ros.models.flow import integrate
from quantvla_ros.models.mini_pi05.roles import layer_roles
from quantvla_ros.quantization.sensitivity import ActionMeter, changes_prefix, measure_layer
from quantvla_ros.quantization.teacher import Sample

SAMPLES = [Sample(network_inputs(i), noise(i)) for i in range(3)]
PREFIX = "language_model.layers.0.mlp.up_proj"
EXPERT = "action_expert.layers.1.self_attn.o_proj"


def disturbed(network, name):
    layer = copy.deepcopy(network.get_submodule(name))
    layer.weight.mul_(1.05)
    return layer


@pytest.mark.parametrize("name", [PREFIX, EXPERT])
def test_the_error_is_that_of_the_whole_network_with_the_layer_exchanged(name):
    network = tiny_network()
    meter = ActionMeter(network, SAMPLES, STEPS)
    other = copy.deepcopy(network)
    other.get_submodule(name).weight.mul_(1.05)
    expected = torch.cat(
        [
            integrate(other, s.noise, other.encode(*s.inputs), STEPS)
            - integrate(network, s.noise, network.encode(*s.inputs), STEPS)
            for s in SAMPLES
        ]
    )
    found = measure_layer(network, name, disturbed(network, name), meter)
    assert found.chunk == pytest.approx(float(expected.abs().mean()), rel=1e-4)
    assert len(found.steps) == STEPS and min(found.steps) > 0


def test_the_network_is_as_before_even_after_an_error():
    network = tiny_network()
    meter = ActionMeter(network, SAMPLES, STEPS)
    before = network.get_submodule(PREFIX)
    with pytest.raises(RuntimeError):
        measure_layer(network, PREFIX, nn.Linear(3, 3), meter)
    assert network.get_submodule(PREFIX) is before
    assert meter.measure(network, same_prefix=False).chunk == 0.0


def test_an_action_head_layer_leaves_the_prefix_alone():
    """What the cached prefix rests on, for every layer of the network."""
    network = tiny_network()
    reached = set()
    hooks = [
        network.get_submodule(name).register_forward_hook(lambda *_, n=name: reached.add(n))
        for name in layer_roles(network)
    ]
    network.encode(*SAMPLES[0].inputs)
    for hook in hooks:
        hook.remove()
    assert all(changes_prefix(name) for name in reached)
    assert not any(changes_prefix(n) for n in layer_roles(network) if n.startswith("action_"))
