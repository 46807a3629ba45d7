# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle

import pytest
import torch
from torch import nn

from calib_tools.evaluate.settings import Asked, make_settings
from calib_tools.evaluate.variants import load_variant, parse_variants
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.rounding.codes import dequantize
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.resources import shared_file
from studies.fake_quantization.changes import fake_quantize, parse_rounding, read_change

PANDA = shared_file("policies/panda")


@pytest.mark.parametrize("layout", ["all", "llm+dit_mlp"])
def test_exactly_the_layers_of_the_layout_are_rounded(layout):
    from support.tiny_policy import tiny_network

    network, before = tiny_network(), tiny_network().state_dict()
    roles = layer_roles(network)
    names = fake_quantize(network, roles, 4, layout)
    assert names == (list(roles) if layout == "all" else select_layers(roles, layout))
    linears = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    assert (set(names) == set(linears)) == (layout == "all")
    changed = {n for n, value in network.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {f"{name}.weight" for name in names}


@pytest.mark.parametrize("name", ["rtn9-all", "rtn4", "rtn4-none", "rtn4-everything", "gptq4-all"])
def test_an_unknown_rounding_is_refused(name):
    with pytest.raises(QuantVLAError, match="Unknown rounding"):
        parse_rounding(name)
    with pytest.raises(QuantVLAError, match="Unknown rounding"):
        parse_variants([f"{PANDA}@{name}"], read_change)


def test_variants_are_named_by_their_bundles(tmp_path):
    float_, rounded = parse_variants([str(PANDA), f"{PANDA}@rtn4-llm+dit_mlp"], read_change)
    assert (float_.label, rounded.label) == ("panda", "panda@rtn4-llm+dit_mlp")
    assert float_.sha256 == rounded.sha256


def test_a_variant_is_loaded_with_its_rounding_and_its_steps(tmp_path):
    from quantvla_ros.bundle.storage import load_bundle
    from quantvla_ros.models.families import find_family
    from quantvla_ros.quantization.network import load_network

    variant = parse_variants([f"{PANDA}@rtn4-all"], read_change)[0]
    assert load_variant(variant, 2).manifest.denoise_steps == 2
    bundle = load_bundle(PANDA)
    network = load_network(bundle).float()
    variant.change.apply(network, find_family(bundle.manifest.family))
    name, _ = next(iter(layer_roles(network).items()))
    original = bundle.tensors[f"{name}.weight"].float()
    weight = network.get_submodule(name).weight
    assert torch.equal(weight, dequantize(round_nearest(original, 4)))


def test_real_time_chunking_comes_after_the_change():
    (both,) = parse_variants([f"{PANDA}@rtn4-all@rtc"], read_change)
    assert (both.label, both.continues) == ("panda@rtn4-all@rtc", True)
    assert pickle.loads(pickle.dumps(both)) == both  # as it travels to a worker
    settings = make_settings([both], Asked(["push"], 2))
    assert settings.variants[0].rounding == "rtn4-all"
