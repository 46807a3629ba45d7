# SPDX-License-Identifier: Apache-2.0
"""Where a run is cut into units."""

from __future__ import annotations

import torch
from torch import nn

from quantvla_ros.quantization.call_trace import plan_units, recorded_calls


class Toy(nn.Module):
    """An encoder without layers of interest, two blocks, and a head."""

    def __init__(self, times=1):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(2))
        self.head = nn.Linear(4, 4)
        self.times = times

    def run(self, x):
        x = self.encoder(x)
        for block in [*self.blocks] * self.times:
            x = block(x)
        return self.head(x)


LAYERS = ["blocks.0.0", "blocks.1.0", "head"]


def plan(network, layers):
    with recorded_calls(network) as calls:
        network.run(torch.zeros(1, 4))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    return plan_units(calls, layers)


def test_units_are_blocks_lone_layers_and_whatever_holds_none():
    found = plan(Toy(), LAYERS)
    assert found.units == ("encoder", "blocks.0", "blocks.1", "head")
    assert found.places == {"blocks.0.0": "blocks.0", "blocks.1.0": "blocks.1", "head": "head"}
    assert plan(Toy(), []).units == ("encoder", "blocks.0", "blocks.1", "head")


def test_a_block_that_runs_twice_is_no_unit():
    found = plan(Toy(times=2), LAYERS)
    assert found.units == ("encoder", "head")
    assert found.places == {"blocks.0.0": None, "blocks.1.0": None, "head": "head"}


def test_a_block_whose_layer_is_called_from_outside_too_is_no_unit():
    network = Toy()
    network.blocks[1][0] = network.head
    found = plan(network, ["blocks.0.0", "blocks.1.0"])  # by its first name
    assert found.units == ("encoder", "blocks.0", "blocks.1.1")
    assert found.places == {"blocks.0.0": "blocks.0", "blocks.1.0": None}


def test_a_layer_that_is_never_called_has_no_place():
    network = Toy()
    network.spare = nn.Linear(4, 4)
    assert "spare" not in plan(network, [*LAYERS, "spare"]).places
