# SPDX-License-Identifier: Apache-2.0
"""A network on disk and back, with every form of quantized layer."""

import pytest
import torch
from support.quantized_networks import quantize_nearest
from support.tiny_policy import WORDS, network_inputs, tiny_manifest, tiny_network

from quantvla_ros.bundle.schema import LayerRecord, Quantization
from quantvla_ros.bundle.storage import load_bundle, save_bundle
from quantvla_ros.bundle.tokenizer import build_word_tokenizer
from quantvla_ros.errors import BundleError
from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.network import load_network
from quantvla_ros.quantization.quantized_linear import (
    QuantizedLinear,
    quantized_layers,
)
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision

STEP = torch.tensor(0.05)


def record(network, name, role, rotation=None):
    layer = network.get_submodule(name)
    if not isinstance(layer, QuantizedLinear):
        rows, cols = layer.weight.shape
        return LayerRecord(name=name, role=role, precision="float", rows=rows, cols=cols)
    form = layer.precision
    return LayerRecord(
        name=name,
        role=role,
        precision=f"int{form.weight_bits}",
        rows=layer.scale.shape[0],
        cols=layer.columns,
        group=form.group,
        activation=form.activation,
        rotation=layer.rotation,
    )


def save(path, network, layout, scheme="w4a8", keep_float=(), change=lambda records: records):
    roles = layer_roles(tiny_network())
    quantization = Quantization(
        scheme=scheme,
        layout=layout,
        keep_float=list(keep_float),
        activation_bits=8,
        layers=change([record(network, name, role) for name, role in roles.items()]),
        alpha={},
        beta={},
        corrections_kept=[],
        calibration_sha256="",
    )
    manifest = tiny_manifest().model_copy(update={"quantization": quantization})
    return load_bundle(
        save_bundle(path, manifest, network.state_dict(), build_word_tokenizer(WORDS))
    )


def assert_same(first, second):
    inputs = network_inputs()
    assert torch.equal(first.encode(inputs).keys[-1], second.encode(inputs).keys[-1])
    assert {n: (m.precision, m.rotation) for n, m in quantized_layers(first).items()} == {
        n: (m.precision, m.rotation) for n, m in quantized_layers(second).items()
    }


@pytest.mark.parametrize(
    "precision", [Precision(8), Precision(4), Precision(4, 16), Precision(4, 8, "float")]
)
def test_a_quantized_network_comes_back(tmp_path, precision):
    network = tiny_network()
    quantize_nearest(network, select_layers(layer_roles(network), "llm"), precision, 8)
    assert_same(load_network(save(tmp_path / "out", network, "llm")), network)


def test_layers_kept_float_by_a_pattern_are_no_error(tmp_path):
    network, patterns = tiny_network(), ["*.down_proj"]
    names = select_layers(layer_roles(network), "llm", patterns)
    quantize_nearest(network, names, Precision(4), 8)
    assert_same(load_network(save(tmp_path / "out", network, "llm", "w4a8", patterns)), network)
    with pytest.raises(BundleError, match="12 integer layers but its layout 'llm' has 14"):
        load_network(save(tmp_path / "lost", network, "llm"))


def test_an_automatic_layout_mixes_static_rotated_and_float_layers(tmp_path):
    network = tiny_network()
    quantize_nearest(network, ["language_model.layers.0.mlp.up_proj"], Precision(4, 32), 8)
    name = "language_model.layers.0.mlp.down_proj"
    linear = network.get_submodule(name)
    layer = QuantizedLinear.from_codes(
        round_nearest(linear.weight, 8), None, Precision(8, None, "static"), 8, STEP, rotation=16
    )
    replace_module(network, name, layer)
    loaded = load_network(save(tmp_path / "out", network, "auto", "mixed"))
    assert_same(loaded, network)
    assert loaded.get_submodule(name).activation_scale == STEP


def broken(**update):
    def change(records):
        wanted = "language_model.layers.0.mlp.up_proj"
        return [r.model_copy(update=update) if r.name == wanted else r for r in records]

    return change


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"name": "language_model.layers.9.mlp.up_proj"}, "network does not have"),
        ({"group": 24}, "groups of 24 do not divide a layer with 32 inputs"),
        ({"group": 8}, "up_proj.scale' of weights.safetensors has shape"),
        ({"precision": "int8", "group": None}, "up_proj.weight' of weights.safetensors has shape"),
        ({"activation": "static"}, "lacks tensor .*up_proj.activation_scale"),
    ],
)
def test_a_record_that_does_not_fit_the_tensors_is_refused(tmp_path, update, words):
    network = tiny_network()
    quantize_nearest(network, select_layers(layer_roles(network), "llm"), Precision(4), 8)
    bundle = save(tmp_path / "out", network, "auto", change=broken(**update))
    with pytest.raises(BundleError, match=words) as error:
        load_network(bundle)
    assert "\n" not in str(error.value)
