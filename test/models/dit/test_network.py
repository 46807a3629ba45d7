# SPDX-License-Identifier: Apache-2.0
"""What every network of the form keeps, on a tiny one of each family."""

from __future__ import annotations

import pytest
import torch
from support import tiny_groot, tiny_groot_n15
from support.seen_modules import seen_modules
from torch.utils._pytree import tree_leaves

from quantvla_ros.models.flow import normalized_chunk


class Tiny:
    """A family's tiny network and what makes its inputs."""

    def __init__(self, made):
        self.made, self.family, self.network = made, made.FAMILY, made.tiny_network()

    def chunk(self, inputs):
        made = self.made
        return normalized_chunk(self.network, made.noise(), self.network.encode(inputs), made.FLOW)


@pytest.fixture(scope="module", params=[tiny_groot, tiny_groot_n15], ids=["n17", "n15"])
def tiny(request):
    return Tiny(request.param)


def test_padding_changes_nothing(tiny):
    inputs = tiny.made.network_inputs(words=4)
    there = int(inputs["token_mask"].sum())
    alone = {**inputs, "tokens": inputs["tokens"][:, :there]}
    alone["token_mask"] = inputs["token_mask"][:, :there]
    assert there < tiny.made.TEXT
    torch.testing.assert_close(tiny.chunk(inputs), tiny.chunk(alone), rtol=0, atol=2e-6)


def test_every_input_reaches_the_chunk(tiny):
    inputs = tiny.made.network_inputs()
    plain = tiny.chunk(inputs)
    changes = {
        tiny.made.PICTURES: inputs[tiny.made.PICTURES].roll(1, dims=1),
        "state": inputs["state"] + 0.5,
        "tokens": inputs["tokens"].roll(1, dims=1),
    }
    for name, value in changes.items():
        assert (tiny.chunk({**inputs, name: value}) - plain).abs().max() > 1e-3, name


@pytest.mark.parametrize("steps", [1, 3, 4, 6, 7, 10, 16, 20, 30, 50])
def test_flow_times_fall_into_the_buckets_of_the_reference(tiny, steps):
    for step in range(steps):
        t = torch.full((1,), step / steps)
        whole = torch.tensor([float(int(step / steps * tiny.network.config.head.buckets))])
        ours, known = tiny.network.time_constants(t), tiny.network.dit.time_constants(whole)
        assert torch.equal(ours.modulation, known.modulation), step


def test_the_stages_are_those_that_reach_the_layers(tiny):
    network, inputs, noise = tiny.network, tiny.made.network_inputs(), tiny.made.noise()
    context, linears = network.encode(inputs), tiny.family.roles(network)
    encode = set(seen_modules(network, linears, lambda: network.encode(inputs)))
    step = set(seen_modules(network, linears, lambda: network.velocity(noise, 0.5, context)))
    assert encode | step == set(linears) and not tiny.family.unused(network)
    assert {tiny.family.stage(name) for name in encode} == {"encode"}
    assert {tiny.family.stage(name) for name in step} == {"step"}


def test_siblings_are_given_one_and_the_same_tensor(tiny):
    network, inputs = tiny.network, tiny.made.network_inputs()
    linears = tiny.family.roles(network)
    given = seen_modules(network, linears, lambda: tiny.chunk(inputs))
    groups = tiny.family.siblings(tiny.network)
    assert len(groups) == tiny.made.GROUPS
    for group in groups:
        assert len({id(given[name][0]) for name in group}) == 1, group


def test_both_graphs_give_the_numbers_of_the_network_to_the_last_bit(tiny):
    graphs, inputs = tiny.family.graphs(tiny.network), tiny.made.network_inputs()
    host = graphs.host(inputs)
    with torch.no_grad():
        context = tiny.network.encode(inputs)
        made = graphs.context.module(*(host.context[name] for name in graphs.context.inputs))
        for ours, theirs in zip(tree_leaves(tuple(context[:2])), made, strict=True):
            assert torch.equal(ours, theirs)
        given = {
            "x_t": tiny.made.noise(),
            **graphs.time(torch.tensor([0.25])),
            **host.step,
            **dict(zip(graphs.context.outputs, made, strict=True)),
        }
        velocity = graphs.step.module(*(given[name] for name in graphs.step.inputs))
        assert torch.equal(velocity, tiny.network.velocity(tiny.made.noise(), 0.25, context))
