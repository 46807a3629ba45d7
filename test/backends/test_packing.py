# SPDX-License-Identifier: Apache-2.0
import copy

import pytest
import torch
from tiny_policy import CONFIG, STEPS, network_inputs, noise, tiny_network

from quantvla_ros.backends.int8_kernel import native_activation_bits
from quantvla_ros.backends.packing import PackedLinear, pack_network
from quantvla_ros.models.pi05 import integrate, layer_roles, unused_layers
from quantvla_ros.quantization.integer_linear import make_integer
from quantvla_ros.quantization.layouts import select_layers


def integer_network(layout="llm+dit_mlp"):
    network = tiny_network()
    make_integer(network, select_layers(layer_roles(network), layout), native_activation_bits())
    return network


@pytest.mark.parametrize("layout", ["llm", "llm+dit_mlp", "llm+dit"])
def test_packed_network_agrees_with_the_reference(layout):
    reference = integer_network(layout)
    packed = copy.deepcopy(reference)
    count = pack_network(packed, frozenset(unused_layers(CONFIG)))
    assert count == sum(isinstance(m, PackedLinear) for m in packed.modules())
    inputs, start = network_inputs(), noise()
    expected = integrate(reference, start, reference.encode(*inputs), STEPS)
    got = integrate(packed, start, packed.encode(*inputs), STEPS)
    # Equal integers; float rounding between layers may move a value across a grid step.
    torch.testing.assert_close(got, expected, atol=5e-3, rtol=1e-3)


def test_siblings_share_a_product_and_unused_layers_do_not_join():
    network = integer_network()
    pack_network(network, frozenset(unused_layers(CONFIG)))
    first, last = (network.language_model.layers[i].self_attn for i in (0, -1))
    assert first.q_proj.handle == first.k_proj.handle == first.v_proj.handle
    assert last.k_proj.handle == last.v_proj.handle != last.q_proj.handle
    mlp = network.action_expert.layers[0].mlp
    assert mlp.gate_proj.handle == mlp.up_proj.handle != mlp.down_proj.handle


def test_siblings_cut_out_their_own_channels():
    reference = integer_network()
    packed = copy.deepcopy(reference)
    pack_network(packed)
    x = torch.randn(2, 3, CONFIG.width)
    for name in ("q_proj", "k_proj", "v_proj"):
        expected = getattr(reference.language_model.layers[0].self_attn, name)(x)
        got = getattr(packed.language_model.layers[0].self_attn, name)(x)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_held_bytes_of_siblings_add_up():
    network = integer_network()
    pack_network(network)
    mlp = network.language_model.layers[0].mlp
    together = mlp.gate_proj.held_bytes + mlp.up_proj.held_bytes
    assert together == mlp.gate_proj.packed.held_bytes
