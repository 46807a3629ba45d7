# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.tiny_policy import network_inputs, noise, tiny_network

from quantvla_ros.models.mini_pi05.family import FAMILY

NETWORK = tiny_network()


def reached(run):
    """Linears that are called, in order, with the identity of what they are given."""
    calls, hooks = [], []
    for name in FAMILY.roles(NETWORK):
        layer = NETWORK.get_submodule(name)
        hook = lambda _, inputs, n=name: calls.append((n, inputs[0]))  # noqa: E731
        hooks.append(layer.register_forward_pre_hook(hook))
    run()
    for hook in hooks:
        hook.remove()
    return calls


@pytest.fixture(scope="module")
def context():
    return NETWORK.encode(network_inputs())


def test_the_stages_are_those_that_reach_the_layers(context):
    encode = {name for name, _ in reached(lambda: NETWORK.encode(network_inputs()))}
    step = {name for name, _ in reached(lambda: NETWORK.velocity(noise(), 0.5, context))}
    unused = FAMILY.unused(NETWORK)
    assert encode | step | unused == set(FAMILY.roles(NETWORK))
    assert {FAMILY.stage(name) for name in encode | unused} == {"encode"}
    assert {FAMILY.stage(name) for name in step} == {"step"}


def test_siblings_are_given_one_and_the_same_tensor():
    calls = reached(lambda: NETWORK.velocity(noise(), 0.5, NETWORK.encode(network_inputs())))
    given = dict(calls)
    groups = FAMILY.siblings(NETWORK)
    assert len(groups) == 2 * 4 + 1  # of two layers a stack, and the vision block's attention
    for group in groups:
        tensors = {id(given[name]) for name in group if name in given}
        assert len(tensors) <= 1, group
