# SPDX-License-Identifier: Apache-2.0
"""In single precision a transformed layer gives what it gave: to 1e-5 of its output's length.

That holds for every token whose output is about as long as its terms. No arithmetic holds it where
the terms cancel: a sum of float32 errs by a share of its terms (2^-24), not of its result. There
the error is held to 1e-6 of the terms, the lengths of input and weight multiplied. It shows where

- an attention averages values that are large and of both signs;
- DuQuant is given a channel that was zero in all of calibration: it is divided by the least factor,
  1e-3, so it is 1000 times as large as the others when it is mixed with them.
"""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.transformed import observe, outlier_network, relative_errors
from torch import nn

from quantvla_ros.models.joint.roles import layer_roles
from quantvla_ros.models.joint.sites import find_sites
from quantvla_ros.quantization.observe import observe_inputs
from quantvla_ros.quantization.transforms.base import seen_input
from quantvla_ros.quantization.transforms.rotation import (
    HadamardRotation,
    RotatedLinear,
    block_for,
)
from quantvla_ros.quantization.transforms.smoothquant import FLOOR
from studies.fake_quantization.duquant import DuQuant, DuQuantLinear

TOLERANCE = 1e-5  # of the output
OF_TERMS = 1e-6
LARGE = "a channel 100 times as large"
OUTPUTS, DEAD = 24, 5  # a dead channel's place

# Kinds of inputs, each of [tokens, width]; `place` is a channel.
INPUTS = {
    "normal": lambda x, place: x,
    LARGE: lambda x, place: large_channel(x, place),
    "tokens of every size": lambda x, place: x * torch.logspace(-3, 3, len(x))[:, None],
    "one channel alone": lambda x, place: torch.zeros_like(x).index_fill(
        1, torch.tensor([place]), 1.0
    ),
    "all channels alike": lambda x, place: torch.ones_like(x),
}

inputs = st.sampled_from(list(INPUTS))
sizes = st.floats(-3, 3).map(lambda power: 10.0**power)
seeds = st.integers(0, 2**32 - 1)


def large_channel(x, place):
    x = x.clone()
    x[:, place] *= 100.0
    return x


def tokens(kind, width, size, seed):
    x = torch.randn(12, width, generator=torch.Generator().manual_seed(seed))
    return INPUTS[kind](x, seed % width) * size


def plain_layer(width, seed):
    torch.manual_seed(seed)
    return nn.Linear(width, OUTPUTS).requires_grad_(False)


@lru_cache
def rotated_layer(width, seed):
    linear = plain_layer(width, seed)
    return linear, RotatedLinear.from_linear(linear, block_for(width))


@lru_cache
def duquant_layer(width, seed, dead=False):
    """Fitted to inputs with one large channel, and with a dead one if it is so wanted."""
    linear = plain_layer(width, seed)
    seen = large_channel(torch.randn(4 * width, width), seed)
    if dead:
        seen[:, DEAD] = 0.0
    network = nn.ModuleDict({"layer": copy.deepcopy(linear)})
    duquant = DuQuant()
    run = lambda: network["layer"](seen)  # noqa: E731
    duquant.fit(network, observe_inputs(network, ["layer"], run, hessian=True))
    duquant.fold(network)
    assert isinstance(network["layer"], DuQuantLinear)
    return linear, network["layer"]


LAYERS = {"rotated": rotated_layer, "DuQuant": duquant_layer}


def furthest(got, wanted):
    """Of a token, relative to its output's length."""
    return float(((got - wanted).norm(dim=-1) / wanted.norm(dim=-1)).max())


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@given(
    width=st.sampled_from([64, 96, 128]), layer=st.integers(0, 3),
    kind=inputs, size=sizes, seed=seeds,
)  # fmt: skip
def test_a_layer_gives_the_same(make, width, layer, kind, size, seed):
    linear, changed = make(width, layer)
    x = tokens(kind, width, size, seed)
    assert changed(x).dtype == torch.float32
    assert furthest(changed(x), linear(x)) < TOLERANCE


@pytest.mark.parametrize("dead", [None, False, True], ids=["rotated", "DuQuant", "a dead channel"])
@given(
    x=arrays(np.float32, (3, 64), elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False)),
    layer=st.integers(0, 3),
)
def test_whatever_the_input_the_error_is_small_against_its_terms(dead, x, layer):
    linear, changed = rotated_layer(64, layer) if dead is None else duquant_layer(64, layer, dead)
    x = torch.from_numpy(x)
    terms = seen_input(changed, x).norm(dim=-1) * changed.weight.norm() + linear.bias.norm()
    error = (changed(x) - linear(x)).norm(dim=-1)
    assert float((error / terms).max()) < OF_TERMS


@given(layer=st.integers(0, 3), size=sizes, seed=seeds)
def test_a_channel_that_calibration_never_saw_costs_its_factor_of_digits(layer, size, seed):
    linear, changed = duquant_layer(64, layer, True)
    assert float(changed.smoothing[DEAD]) == pytest.approx(FLOOR)
    x = tokens("normal", 64, size, seed)
    assert furthest(changed(x), linear(x)) < OF_TERMS / FLOOR
    x[:, DEAD] = 0.0
    assert furthest(changed(x), linear(x)) < TOLERANCE


@lru_cache
def rotated_network(seed):
    network = outlier_network(seed, outlier=3.0)
    out, rotation = copy.deepcopy(network), HadamardRotation(find_sites(network))
    rotation.fit(out, dict.fromkeys(layer_roles(network)))
    rotation.fold(out)
    return network, out


def pair_of(network, name, kind, size, seed):
    """The part before and after, and tokens for it."""
    plain, rotated = (each.get_submodule(name) for each in rotated_network(network))
    same = [torch.equal(p, rotated.get_parameter(n)) for n, p in plain.named_parameters()]
    assert not all(same)
    width = 16 if name.startswith("vision") else 32
    return plain, rotated, tokens(kind, width, size, seed)


def second_linear(block, x):
    return block.fc2(torch.nn.functional.gelu(block.fc1(x), approximate="tanh"))


@pytest.mark.parametrize(
    ("name", "run"),
    [
        ("language_model.layers.1.mlp", lambda part, x: part(x)),
        ("action_expert.layers.0.mlp", lambda part, x: part(x)),
        ("vision_tower.layers.0", second_linear),
    ],
)
@given(network=st.integers(0, 3), kind=inputs, size=sizes, seed=seeds)
def test_a_layer_rotated_online_in_its_mlp_gives_the_same(name, run, network, kind, size, seed):
    plain, rotated, x = pair_of(network, name, kind, size, seed)
    assert furthest(run(rotated, x), run(plain, x)) < TOLERANCE


def attended(part, x):
    key, value = part.key_value(x[None], None)
    return part.attend(part.query(x[None], None), key, value, None)


def terms_of(part, x):
    """Of what an attention sums: its longest values through its weight."""
    _, value = part.key_value(x[None], None)
    bias = 0.0 if part.o_proj.bias is None else part.o_proj.bias.norm()
    return value.transpose(1, 2).flatten(2).norm(dim=-1).max() * part.o_proj.weight.norm() + bias


@pytest.mark.parametrize(
    "name",
    [
        "language_model.layers.0.self_attn",
        "action_expert.layers.1.self_attn",
        "vision_tower.layers.0.self_attn",
    ],
)
@given(network=st.integers(0, 3), kind=inputs, size=sizes, seed=seeds)
def test_an_attention_with_a_folded_rotation_gives_the_same(name, network, kind, size, seed):
    plain, rotated, x = pair_of(network, name, kind, size, seed)
    got, wanted = attended(rotated, x), attended(plain, x)
    error = (got - wanted).norm(dim=-1).max()
    assert float(error / terms_of(plain, x)) < OF_TERMS
    if kind != LARGE:  # which is of both signs, and averaged away
        assert furthest(got, wanted) < TOLERANCE


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_with_duquant_gives_the_same(seed):
    network = outlier_network(seed, outlier=3.0)
    out, duquant = copy.deepcopy(network), DuQuant()
    duquant.fit(out, observe(network, hessian=True))
    duquant.fold(out)
    assert sum(isinstance(module, DuQuantLinear) for module in out.modules()) > 20
    assert max(relative_errors(network, out, seed=50)) < TOLERANCE
