# SPDX-License-Identifier: Apache-2.0
"""The study of a language model on a tiny random one: no weights, no environment of its own."""

from __future__ import annotations

import copy

import pytest
import torch

from calib_tools.quantize.work_directory import WorkDirectory
from quantvla_ros.quantization.quantized_linear import quantized_layers
from studies.language_model import subject
from studies.language_model.choice import Divergence, left_float
from studies.language_model.cost import BLOCKS, rotation_cost
from studies.language_model.network import Llama, LlamaConfig, groups_of, linear_names
from studies.language_model.subject import Quantizer, Subject, fit_static, observe, perplexity
from studies.language_model.variants import VARIANTS, Variant

RECIPE = Variant("recipe", 8, "gptq", "static", fitted=True)


def windows(count):
    torch.manual_seed(5)
    return list(torch.randint(0, 96, (count, 1, 80)))


@pytest.fixture(scope="module")
def recipe():
    torch.manual_seed(0)
    network = Llama(LlamaConfig(96, 32, 2, 4, 2, 64, 1e4, 1e-5)).requires_grad_(False)
    network.layers[1].input_layernorm.weight[::8] *= 40
    fitted, record = fit_static(network, observe(network, windows(4)))
    return network, Subject(fitted, observe(fitted, windows(4))), record


def test_the_recipe_keeps_the_perplexity_and_readers_share_one_range(recipe, tmp_path):
    network, fitted, record = recipe
    judged = windows(6)[4:]
    wanted = perplexity(network, judged)
    assert perplexity(fitted.network, judged) == pytest.approx(wanted, rel=1e-4)
    whole = Quantizer(fitted, RECIPE, WorkDirectory(tmp_path / "layers", {})).whole()
    assert perplexity(whole, judged) == pytest.approx(wanted, rel=0.02)
    layers = quantized_layers(whole)
    assert list(layers) == linear_names(network)
    for group in groups_of(network):
        assert len({float(layers[name].activation_scale) for name in group}) == 1
    assert {name for one in record["inputs"] for name in one["layers"]} == set(layers)


def test_finished_layers_are_not_rounded_again(recipe, tmp_path, monkeypatch):
    fitted = recipe[1]
    first = Quantizer(fitted, RECIPE, work := WorkDirectory(tmp_path / "layers", {})).whole()
    work.close()
    monkeypatch.setattr(subject, "round_layer", None)
    again = Quantizer(fitted, RECIPE, WorkDirectory(tmp_path / "layers", {})).whole()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_in_sequence_each_block_is_rounded_behind_the_quantized_ones(recipe, tmp_path):
    plain = Subject(recipe[0], observe(recipe[0], windows(4)))
    variant = Variant("sequence", 4, "gptq", group=16, sequential=True)
    apart = Quantizer(plain, variant, WorkDirectory(tmp_path / "apart", {})).whole()
    made = Quantizer(plain, variant, WorkDirectory(tmp_path / "made", {})).in_sequence(windows(4))
    differ = {
        name
        for name, layer in quantized_layers(made).items()
        if not torch.equal(layer.weight, apart.get_submodule(name).weight)
    }
    assert differ and all(name.startswith("layers.1.") for name in differ)
    assert list(quantized_layers(made)) == linear_names(plain.network)


def test_what_stays_float_is_what_harms_most(recipe):
    network = recipe[0]
    meter = Divergence(network, windows(1))
    errors = {}
    for group in groups_of(network):
        worse = {name: copy.deepcopy(network.get_submodule(name)) for name in group}
        for module in worse.values():
            module.weight.mul_(1.0 if group[0] != "layers.1.mlp.down_proj" else 2.0)
        errors[group] = meter.of(worse)
    assert left_float(network, errors, 0.15) == ["layers.1.mlp.down_proj"]


def test_a_rotation_is_timed_beside_its_layer_and_names_are_told_apart():
    cost = rotation_cost(torch.nn.Linear(512, 16, bias=False), 8)
    assert [row["block"] for row in cost["blocks"]] == list(BLOCKS)
    assert [row["added_products"] for row in cost["blocks"]] == [0.0, 1.0, 4.0, 3.0]
    assert all(row["cpu_ms"] > 0 for row in cost["blocks"])
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)
