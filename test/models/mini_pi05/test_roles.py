# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from support.seen_modules import seen_modules
from support.tiny_policy import network_inputs, noise, tiny_network

from quantvla_ros.models.mini_pi05.family import FAMILY

NETWORK = tiny_network()


@pytest.fixture(scope="module")
def context():
    return NETWORK.encode(network_inputs())


def test_the_stages_are_those_that_reach_the_layers(context):
    linears = FAMILY.roles(NETWORK)
    encode = set(seen_modules(NETWORK, linears, lambda: NETWORK.encode(network_inputs())))
    step = set(seen_modules(NETWORK, linears, lambda: NETWORK.velocity(noise(), 0.5, context)))
    unused = FAMILY.unused(NETWORK)
    assert encode | step | unused == set(linears)
    assert {FAMILY.stage(name) for name in encode | unused} == {"encode"}
    assert {FAMILY.stage(name) for name in step} == {"step"}


def test_siblings_are_given_one_and_the_same_tensor():
    given = seen_modules(
        NETWORK,
        FAMILY.roles(NETWORK),
        lambda: NETWORK.velocity(noise(), 0.5, NETWORK.encode(network_inputs())),
    )
    groups = FAMILY.siblings(NETWORK)
    assert len(groups) == 2 * 4 + 1  # of two layers a stack, and the vision block's attention
    for group in groups:
        tensors = {id(given[name][0]) for name in group if name in given}
        assert len(tensors) <= 1, group
