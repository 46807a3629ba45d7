# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from support.tiny_policy import FLOW, STEPS, network_inputs, noise, tiny_network
from torch import nn

from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import stage_of
from quantvla_ros.quantization.sensitivity import ActionMeter, measure_layer
from quantvla_ros.quantization.teacher import Sample

SAMPLES = [Sample(network_inputs(i), noise(i)) for i in range(3)]
ENCODER = "language_model.layers.0.mlp.up_proj"
EXPERT = "action_expert.layers.1.self_attn.o_proj"


def disturbed(network, name):
    layer = copy.deepcopy(network.get_submodule(name))
    layer.weight.mul_(1.05)
    return layer


@pytest.mark.parametrize("name", [ENCODER, EXPERT])
def test_the_error_is_that_of_the_whole_network_with_the_layer_exchanged(name):
    network = tiny_network()
    meter = ActionMeter(network, SAMPLES, FLOW)
    other = copy.deepcopy(network)
    other.get_submodule(name).weight.mul_(1.05)
    expected = torch.cat(
        [
            normalized_chunk(other, s.noise, other.encode(s.inputs), FLOW)
            - normalized_chunk(network, s.noise, network.encode(s.inputs), FLOW)
            for s in SAMPLES
        ]
    )
    found = measure_layer(network, name, disturbed(network, name), stage_of(name), meter)
    assert found.chunk == pytest.approx(float(expected.abs().mean()), rel=1e-4)
    assert len(found.steps) == STEPS and min(found.steps) > 0


def test_the_network_is_as_before_even_after_an_error():
    network = tiny_network()
    meter = ActionMeter(network, SAMPLES, FLOW)
    before = network.get_submodule(ENCODER)
    with pytest.raises(RuntimeError):
        measure_layer(network, ENCODER, nn.Linear(3, 3), "encode", meter)
    assert network.get_submodule(ENCODER) is before
    assert meter.measure(network, same_context=False).chunk == 0.0
