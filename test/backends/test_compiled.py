# SPDX-License-Identifier: Apache-2.0
"""Compiled graphs come from a cache on disk; they must never bring another policy's weights."""

from __future__ import annotations

import torch
from tiny_policy import tiny_network
from torch._dynamo.utils import counters

from quantvla_ros.backends.compiled import CompiledNetwork


def example(network):
    config = network.config
    return (
        torch.rand(1, config.cameras, config.image_size, config.image_size, 3),
        torch.rand(1, config.state_width),
        torch.ones(1, 4, dtype=torch.int64),
        torch.ones(1, 4, dtype=torch.bool),
    )


def test_the_cache_is_used_and_gives_each_network_its_own_weights():
    networks = [tiny_network(0), tiny_network(1), tiny_network(0)]
    inputs = example(networks[0])
    x_t = torch.rand(1, networks[0].config.horizon, networks[0].config.action_width)
    t = torch.rand(1)
    outputs, hits = [], []
    with torch.no_grad():
        for network in networks:
            counters.clear()
            compiled = CompiledNetwork(network, inputs)
            hits.append(counters["aot_autograd"]["autograd_cache_hit"])
            outputs.append(compiled.denoise(x_t, t, compiled.encode(*inputs)))
            expected = network.denoise(x_t, t, network.encode(*inputs))
            torch.testing.assert_close(outputs[-1], expected, atol=1e-5, rtol=1e-4)
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    assert hits[1:] == [2, 2]  # the first fills the cache, unless an earlier run has
