# SPDX-License-Identifier: Apache-2.0
"""SmoothQuant and rotations leave a SmolVLA's chunk as it is, through shared and crossed values."""

import copy

import pytest
import torch
from support.smolvla import GOLDEN, imported, inputs, network

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.flow import Flow, normalized_chunk
from quantvla_ros.models.smolvla.family import FAMILY
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.transforms.rotation import HadamardRotation
from quantvla_ros.quantization.transforms.smoothquant import SmoothQuant


def chunk(model):
    with torch.no_grad():
        context = model.encode(inputs(imported()))
        return normalized_chunk(model, GOLDEN["noise"], context, Flow(10))


@pytest.fixture(scope="module")
def observed():
    model = network(imported())
    names = select_layers(FAMILY.roles(model), "llm+dit")
    return model, observe_inputs(model, names, lambda: chunk(model), hessian=False)


def test_a_transformed_network_gives_the_same_chunk(observed):
    model, statistics = observed
    expected, sites = chunk(model), FAMILY.sites(model)
    crossed = {f"lm_expert.layers.{i}.cross_attn" for i in (1, 3)}
    for make in (SmoothQuant, HadamardRotation):
        out, transform = copy.deepcopy(model), make(sites)
        transform.fit(out, statistics)
        transform.fold(out)
        changed = {
            name for name in statistics
            if type(out.get_submodule(name)) is not type(model.get_submodule(name))
            or not torch.equal(out.get_submodule(name).weight, model.get_submodule(name).weight)
        }  # fmt: skip
        assert changed >= {f"text_model.layers.{i}.mlp.down_proj" for i in range(3)}
        assert {f"{name}.k_proj" for name in crossed} <= set(transform.skipped)
        if make is HadamardRotation:
            assert {f"{name}.{part}_proj" for name in crossed for part in "vo"} <= changed
        assert (chunk(out) - expected).abs().max() < 2e-4 * expected.abs().max()


def test_smoothing_in_front_of_crossed_keys_is_refused_with_its_reason(observed):
    model, statistics = observed
    name = "lm_expert.layers.1.cross_attn.k_proj"
    with pytest.raises(QuantVLAError, match=rf"{name} cannot be smoothed: no norm"):
        SmoothQuant(FAMILY.sites(model), layers=[name]).fit(model, statistics)
