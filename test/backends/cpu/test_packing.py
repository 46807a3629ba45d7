# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from support.quantized_networks import quantize_nearest
from support.tiny_policy import CONFIG, FLOW, network_inputs, noise, tiny_network

from quantvla_ros.backends.cpu.kernels import native_activation_bits
from quantvla_ros.backends.cpu.packing import PackedLinear, pack_network
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.joint.roles import layer_roles, siblings, unused_layers
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import QuantizedLinear, quantized_layers
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision

W8A8 = Precision(8)
STATIC = torch.tensor(0.1)


def integer_network(layout="llm+dit_mlp", precision=W8A8):
    network = tiny_network()
    names = select_layers(layer_roles(network), layout)
    quantize_nearest(network, names, precision, native_activation_bits(precision))
    return network


def requantize(network, name, precision, step=None, rotation=None):
    """Give one layer of a float network another form."""
    linear = network.get_submodule(name)
    codes = round_nearest(linear.weight, precision.weight_bits, precision.group)
    bits = native_activation_bits(precision)
    layer = QuantizedLinear.from_codes(codes, linear.bias, precision, bits, step, rotation)
    replace_module(network, name, layer)


def assert_packed_like_reference(reference):
    packed = copy.deepcopy(reference)
    kernel = pack_network(packed, siblings(packed), unused_layers(CONFIG))
    assert kernel and not quantized_layers(packed)
    assert any(isinstance(m, PackedLinear) for m in packed.modules())
    inputs, start = network_inputs(), noise()
    expected = normalized_chunk(reference, start, reference.encode(inputs), FLOW)
    got = normalized_chunk(packed, start, packed.encode(inputs), FLOW)
    # Equal integers; float rounding between layers may move a value across a grid step.
    torch.testing.assert_close(got, expected, atol=5e-3, rtol=1e-3)
    return packed


@pytest.mark.parametrize("layout", ["llm", "llm+dit_mlp", "llm+dit"])
def test_packed_network_agrees_with_the_reference(layout):
    assert_packed_like_reference(integer_network(layout))


@pytest.mark.parametrize(
    "precision",
    [Precision(4), Precision(4, 16), Precision(8, None, "float"), Precision(4, 8, "float")],
)
def test_every_precision_agrees_with_the_reference(precision):
    assert_packed_like_reference(integer_network(precision=precision))


def test_static_rotated_and_mixed_layers_agree_with_the_reference():
    network = tiny_network()
    for layer in (0, 1):
        for prefix in ("language_model", "action_expert"):
            mlp = f"{prefix}.layers.{layer}.mlp"
            requantize(network, f"{mlp}.gate_proj", Precision(8, None, "static"), STATIC)
            requantize(network, f"{mlp}.up_proj", Precision(4, 8))
            requantize(network, f"{mlp}.down_proj", Precision(4, 16, "float"), rotation=16)
    packed = assert_packed_like_reference(network)
    assert packed.action_expert.layers[0].mlp.down_proj.rotation == 16


def test_siblings_share_a_product_and_unused_layers_do_not_join():
    network = integer_network()
    pack_network(network, siblings(network), unused_layers(CONFIG))
    first, last = (network.language_model.layers[i].self_attn for i in (0, -1))
    assert first.q_proj.handle == first.k_proj.handle == first.v_proj.handle
    assert last.k_proj.handle == last.v_proj.handle != last.q_proj.handle
    mlp = network.action_expert.layers[0].mlp
    assert mlp.gate_proj.handle == mlp.up_proj.handle != mlp.down_proj.handle


@pytest.mark.parametrize(
    "other",
    [
        {"precision": Precision(4)},
        {"precision": Precision(8, None, "static"), "step": torch.tensor(0.2)},
        {"precision": Precision(8, None, "static"), "step": STATIC, "rotation": 8},
    ],
)
def test_siblings_of_another_form_have_their_own_product(other):
    network = tiny_network()
    attention = "language_model.layers.0.self_attn"
    for name in ("q_proj", "v_proj"):
        requantize(network, f"{attention}.{name}", Precision(8, None, "static"), STATIC)
    requantize(network, f"{attention}.k_proj", **other)
    reference = copy.deepcopy(network).get_submodule(attention)
    pack_network(network, siblings(network))
    packed, x = network.get_submodule(attention), torch.randn(2, 3, CONFIG.width)
    assert packed.q_proj.handle == packed.v_proj.handle != packed.k_proj.handle
    for name in ("q_proj", "k_proj", "v_proj"):
        expected = getattr(reference, name)(x)
        torch.testing.assert_close(getattr(packed, name)(x), expected, atol=1e-5, rtol=1e-5)


def test_siblings_cut_out_their_own_channels():
    reference = integer_network()
    packed = copy.deepcopy(reference)
    pack_network(packed, siblings(packed))
    x = torch.randn(2, 3, CONFIG.width)
    for name in ("q_proj", "k_proj", "v_proj"):
        expected = getattr(reference.language_model.layers[0].self_attn, name)(x)
        got = getattr(packed.language_model.layers[0].self_attn, name)(x)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_held_bytes_of_siblings_add_up():
    network = integer_network()
    pack_network(network, siblings(network))
    mlp = network.language_model.layers[0].mlp
    together = mlp.gate_proj.held_bytes + mlp.up_proj.held_bytes
    assert together == mlp.gate_proj.packed.held_bytes
