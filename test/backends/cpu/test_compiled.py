# SPDX-License-Identifier: Apache-2.0
"""Compiled graphs come from a cache on disk; they must never bring another policy's weights."""

from __future__ import annotations

import pytest
import torch
from support.tiny_policy import noise, tiny_network
from torch._dynamo.utils import counters

from quantvla_ros.backends.cpu import linear_operator
from quantvla_ros.backends.cpu.compiled import CompiledRunner
from quantvla_ros.backends.cpu.kernels import native_activation_bits
from quantvla_ros.backends.cpu.packing import pack_network
from quantvla_ros.models.joint.roles import siblings, unused_layers
from quantvla_ros.quantization.modules import replace_module
from quantvla_ros.quantization.quantized_linear import QuantizedLinear
from quantvla_ros.quantization.rounding.nearest import round_nearest
from quantvla_ros.quantization.schemes import Precision


def example(network):
    config = network.config
    return {
        "images": torch.rand(1, config.cameras, config.image_size, config.image_size, 3),
        "state": torch.rand(1, config.state_width),
        "tokens": torch.ones(1, 4, dtype=torch.int64),
        "token_mask": torch.ones(1, 4, dtype=torch.bool),
    }


def test_the_cache_is_used_and_gives_each_network_its_own_weights():
    networks = [tiny_network(0), tiny_network(1), tiny_network(0)]
    inputs = example(networks[0])
    x_t = torch.rand(1, networks[0].config.horizon, networks[0].config.action_width)
    outputs, hits = [], []
    with torch.no_grad():
        for network in networks:
            counters.clear()
            compiled = CompiledRunner(network, "float32", inputs, noise())
            hits.append(counters["aot_autograd"]["autograd_cache_hit"])
            outputs.append(compiled.velocity(x_t, 0.3, compiled.encode(inputs)))
            expected = network.velocity(x_t, 0.3, network.encode(inputs))
            torch.testing.assert_close(outputs[-1], expected, atol=1e-5, rtol=1e-4)
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert hits[1:] == [2, 2]  # the first fills the cache, unless an earlier run has


def test_each_flow_time_has_its_own_constants():
    network = tiny_network()
    inputs, config = example(network), network.config
    x_t = torch.rand(1, config.horizon, config.action_width)
    with torch.no_grad():
        compiled = CompiledRunner(network, "float32", inputs, noise())
        context, plain = compiled.encode(inputs), network.encode(inputs)
        for time in (1.0, 0.5, 1.0, 0.5):
            velocity = compiled.velocity(x_t, time, context)
            torch.testing.assert_close(
                velocity, network.velocity(x_t, time, plain), atol=1e-5, rtol=1e-4
            )


@pytest.mark.slow
def test_packed_layers_of_every_form_compile_and_siblings_multiply_once(monkeypatch):
    network = tiny_network()
    for layer in (0, 1):
        name = f"language_model.layers.{layer}.mlp"
        for leaf in ("gate_proj", "up_proj"):
            codes = round_nearest(network.get_submodule(f"{name}.{leaf}").weight, 4, 16)
            linear = QuantizedLinear.from_codes(codes, None, Precision(4, 16), 8, rotation=8)
            replace_module(network, f"{name}.{leaf}", linear)
        codes = round_nearest(network.get_submodule(f"{name}.down_proj").weight, 8)
        form = Precision(8, None, "static")
        step, bits = torch.tensor(0.1), native_activation_bits(form)
        linear = QuantizedLinear.from_codes(codes, None, form, bits, step)
        replace_module(network, f"{name}.down_proj", linear)
    inputs = example(network)
    expected = network.encode(inputs)
    pack_network(network, siblings(network), unused_layers(network.config))
    compiled = CompiledRunner(network, "float32", inputs, noise())
    handles = []
    for packed in linear_operator._PACKED:
        monkeypatch.setattr(packed, "apply", counted(packed, handles))
    got = compiled.encode(inputs)
    for a, b in zip(got.keys, expected.keys, strict=True):
        torch.testing.assert_close(a, b, atol=5e-3, rtol=1e-3)
    # No action depends on the MLP of the last layer, so the graph holds two products of the first.
    assert len(handles) == 2


def counted(packed, handles):
    apply = packed.apply

    def counting(x):
        handles.append(packed)
        return apply(x)

    return counting
