# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch
from support.tiny_policy import CONFIG, FLOW, network_inputs, noise, tiny_manifest, tiny_network

from quantvla_ros.errors import BundleError
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import layer_roles, stage_of
from quantvla_ros.models.joint.sites import find_sites
from quantvla_ros.quantization.layerwise import (
    batches,
    load_on_tensors,
    round_layer,
    rounding_error,
    rounding_used,
    unrotate_float_layers,
)
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.schemes import Precision
from quantvla_ros.quantization.transforms.rotation import HadamardRotation, RotatedLinear

NAMES = select_layers(layer_roles(tiny_network()), "llm+dit")
DOWN = "language_model.layers.0.mlp.down_proj"


def run(network):
    return normalized_chunk(network, noise(), network.encode(network_inputs()), FLOW)


def test_a_network_on_given_tensors_is_the_same_and_holds_nothing_twice():
    tensors = tiny_network().state_dict()
    network = load_on_tensors(tiny_manifest(), dict(tensors))
    held = dict(network.named_parameters())
    assert all(held[name].data_ptr() == value.data_ptr() for name, value in tensors.items())
    torch.testing.assert_close(run(network), run(tiny_network()), rtol=0, atol=0)
    with pytest.raises(BundleError, match="lacks tensor 'action_in_proj"):
        del tensors["action_in_proj.weight"]
        load_on_tensors(tiny_manifest(), tensors)


@pytest.mark.parametrize("limit", [0.0, 4.0 * CONFIG.width**2 * 3, 1e9])
def test_hessians_in_memory_stay_below_the_limit(limit):
    network = tiny_network()
    parts = batches(network, NAMES, limit, stage_of)
    assert [name for part in parts for name in part] == NAMES
    for part in parts:
        need = sum(4 * network.get_submodule(name).in_features ** 2 for name in part)
        assert len(part) == 1 or need <= limit
        assert len({stage_of(name) for name in part}) == 1
    assert (len(parts) == len(NAMES)) == (limit == 0.0)


def test_the_output_error_is_that_of_the_observed_inputs():
    network = tiny_network()
    inputs = []
    linear = network.get_submodule(DOWN)
    hook = linear.register_forward_hook(lambda _, x, __: inputs.append(x[0].flatten(0, -2)))
    seen = observe_inputs(
        network, [DOWN], lambda: [network.encode(network_inputs(i)) for i in range(5)], True
    )[DOWN]
    hook.remove()
    x = torch.cat(inputs)
    errors = {}
    for rounding in ("rtn", "clip", "gptq"):
        codes = round_layer(DOWN, linear, Precision(4), seen, rounding)
        grid = (codes.values.float() * codes.scales) @ x.T
        exact = linear.weight @ x.T
        errors[rounding] = float((grid - exact).square().sum() / exact.square().sum())
        assert rounding_error(linear, codes, seen).output == pytest.approx(
            errors[rounding], rel=1e-3
        )
    assert errors["gptq"] < errors["rtn"]


def test_a_layer_that_was_never_reached_is_rounded_for_its_own_sake():
    linear = tiny_network().get_submodule(DOWN)
    assert (rounding_used(None, "gptq"), rounding_used(None, "rtn")) == ("clip", "rtn")
    codes, named = (round_layer(DOWN, linear, Precision(4), None, b) for b in ("gptq", "clip"))
    assert torch.equal(codes.values, named.values) and torch.equal(codes.scales, named.scales)


def test_a_layer_that_stays_float_loses_the_online_rotation():
    network = tiny_network()
    before = run(network)
    rotated = copy.deepcopy(network)
    seen = observe_inputs(rotated, NAMES, lambda: run(rotated), hessian=False)
    transform = HadamardRotation(find_sites(rotated))
    transform.fit(rotated, seen)
    transform.fold(rotated)
    assert isinstance(rotated.get_submodule(DOWN), RotatedLinear)
    unrotate_float_layers(rotated)
    assert not any(isinstance(m, RotatedLinear) for m in rotated.modules())
    torch.testing.assert_close(run(rotated), before, rtol=1e-4, atol=1e-4)
