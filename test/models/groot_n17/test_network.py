# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from support.seen_modules import seen_modules
from support.tiny_groot import CONFIG, FLOW, TEXT, network_inputs, noise, tiny_network
from torch.utils._pytree import tree_leaves

from quantvla_ros.backends.tensorrt import building
from quantvla_ros.errors import BackendError
from quantvla_ros.models.flow import normalized_chunk
from quantvla_ros.models.groot_n17.family import FAMILY
from quantvla_ros.models.groot_n17.layout import TokenLayout

NETWORK = tiny_network()


def chunk(inputs):
    return normalized_chunk(NETWORK, noise(), NETWORK.encode(inputs), FLOW)


def test_padding_changes_nothing():
    inputs = network_inputs(words=4)
    there = int(inputs["token_mask"].sum())
    alone = {**inputs, "tokens": inputs["tokens"][:, :there]}
    alone["token_mask"] = inputs["token_mask"][:, :there]
    assert there < TEXT
    torch.testing.assert_close(chunk(inputs), chunk(alone), rtol=0, atol=2e-6)


def test_every_input_reaches_the_chunk():
    inputs = network_inputs()
    plain = chunk(inputs)
    changes = {
        "patches": inputs["patches"].roll(1, dims=1),
        "state": inputs["state"] + 0.5,
        "tokens": inputs["tokens"].roll(1, dims=1),
    }
    for name, value in changes.items():
        assert (chunk({**inputs, name: value}) - plain).abs().max() > 1e-3, name


def test_pictures_and_text_are_parted_as_they_were_joined():
    layout = TokenLayout(3, ((4, 4), (2, 6)))
    text, pictures = torch.arange(12)[None], torch.arange(100, 107)[None]
    joined = layout.join(text, pictures)
    expected = [0, 1, 2, 100, 101, 102, 103, 3, 4, 104, 105, 106, *range(5, 12)]
    assert joined[0].tolist() == expected
    assert [part.tolist() for part in layout.part(joined)] == [text.tolist(), pictures.tolist()]


def test_positions_stand_still_within_a_picture_and_go_on_behind_its_longer_side():
    layout = TokenLayout(3, ((4, 4), (2, 6)))
    positions = layout.positions(torch.ones(1, 7, dtype=torch.bool))[0]
    time = [0, 1, 2, 3, 3, 3, 3, 5, 6, 7, 7, 7, 10, 11]
    height = [0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 7, 7, 10, 11]
    width = [0, 1, 2, 3, 4, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert positions.tolist() == [time, height, width]


@pytest.mark.parametrize("steps", [1, 3, 4, 6, 7, 10, 16, 20, 30, 50])
def test_flow_times_fall_into_the_buckets_of_the_reference(steps):
    for step in range(steps):
        t = torch.full((1,), step / steps)
        whole = torch.tensor([float(int(step / steps * CONFIG.head.buckets))])
        ours, known = NETWORK.time_constants(t), NETWORK.dit.time_constants(whole)
        assert torch.equal(ours.modulation, known.modulation), step


def test_the_stages_are_those_that_reach_the_layers():
    context = NETWORK.encode(network_inputs())
    linears = FAMILY.roles(NETWORK)
    encode = set(seen_modules(NETWORK, linears, lambda: NETWORK.encode(network_inputs())))
    step = set(seen_modules(NETWORK, linears, lambda: NETWORK.velocity(noise(), 0.5, context)))
    assert encode | step == set(linears) and not FAMILY.unused(NETWORK)
    assert {FAMILY.stage(name) for name in encode} == {"encode"}
    assert {FAMILY.stage(name) for name in step} == {"step"}


def test_siblings_are_given_one_and_the_same_tensor():
    given = seen_modules(
        NETWORK,
        FAMILY.roles(NETWORK),
        lambda: NETWORK.velocity(noise(), 0.5, NETWORK.encode(network_inputs())),
    )
    groups = FAMILY.siblings(NETWORK)
    assert len(groups) == 3 + 2 * 3 + 1 + 2 + 2  # vision, language, reader, own and read tokens
    for group in groups:
        assert len({id(given[name][0]) for name in group}) == 1, group


def test_both_graphs_give_the_numbers_of_the_network_to_the_last_bit():
    graphs, inputs = FAMILY.graphs(NETWORK), network_inputs()
    host = graphs.host(inputs)
    with torch.no_grad():
        context = NETWORK.encode(inputs)
        made = graphs.context.module(*(host.context[name] for name in graphs.context.inputs))
        for ours, theirs in zip(tree_leaves(context[:2]), made, strict=True):
            assert torch.equal(ours, theirs)
        given = {
            "x_t": noise(),
            **graphs.time(torch.tensor([0.25])),
            **host.step,
            **dict(zip(graphs.context.outputs, made, strict=True)),
        }
        velocity = graphs.step.module(*(given[name] for name in graphs.step.inputs))
        assert torch.equal(velocity, NETWORK.velocity(noise(), 0.25, context))


def test_an_older_tensorrt_is_refused_for_the_backbone_alone(monkeypatch):
    older = SimpleNamespace(__name__="tensorrt", __version__="10.3.0")
    monkeypatch.setattr(building, "tensorrt", lambda: older)
    graphs = FAMILY.graphs(NETWORK)
    with pytest.raises(BackendError, match=r"10\.3\.0 is too old for 'context'.*10\.8 or newer"):
        building.check_needs(graphs)
    older.__version__ = "10.8.0"
    building.check_needs(graphs)
    assert graphs.step.tensorrt is None
