# SPDX-License-Identifier: Apache-2.0
from collections import Counter

import pytest
import torch
from support.seen_modules import seen_modules
from support.smolvla import GOLDEN, imported, inputs, network

from quantvla_ros.models.smolvla.family import FAMILY

NETWORK = network(imported())


@pytest.fixture(scope="module")
def context():
    return NETWORK.encode(inputs(imported()))


def test_the_stages_are_those_that_reach_the_layers(context):
    linears = FAMILY.roles(NETWORK)
    encode = set(seen_modules(NETWORK, linears, lambda: NETWORK.encode(inputs(imported()))))
    step = set(
        seen_modules(NETWORK, linears, lambda: NETWORK.velocity(GOLDEN["noise"], 0.5, context))
    )
    unused = FAMILY.unused(NETWORK)
    assert encode | step | unused == set(linears) and not (encode | step) & unused
    assert {FAMILY.stage(name) for name in encode | unused} == {"encode"}
    assert {FAMILY.stage(name) for name in step} == {"step"}
    # Cross-attention's keys and values are made once a chunk.
    assert {n for n in encode if n.startswith("lm_expert.")} == {
        f"lm_expert.layers.{i}.cross_attn.{part}_proj" for i in (1, 3) for part in "kv"
    }


def test_what_the_time_alone_decides_is_computed_without_the_chunk():
    names = FAMILY.roles(NETWORK)
    assert set(
        seen_modules(NETWORK, names, lambda: NETWORK.time_constants(torch.tensor([0.5])))
    ) == {"time_mlp_in"}


def run_all():
    NETWORK.velocity(GOLDEN["noise"], 0.5, NETWORK.encode(inputs(imported())))


def test_siblings_are_given_one_and_the_same_tensor():
    given = seen_modules(NETWORK, FAMILY.roles(NETWORK), run_all)
    groups = FAMILY.siblings(NETWORK)
    # Per stack: attention and MLP of four layers, but for the expert's two cross-attentions.
    assert len(groups) == 2 * (4 + 4) - 2 + 2
    for group in groups:
        tensors = {id(given[name][0]) for name in group if name in given}
        assert len(tensors) <= 1, group


def test_every_norm_is_listed_with_all_that_read_it():
    linears, sites = FAMILY.roles(NETWORK), FAMILY.sites(NETWORK)
    unused = FAMILY.unused(NETWORK)
    seen = seen_modules(NETWORK, [*linears, *(site.norm for site in sites.norms)], run_all)
    for site in sites.norms:
        if site.norm not in seen:
            assert set(site.readers) <= unused  # behind the last keys and values
            continue
        made = seen[site.norm][1].flatten()
        readers = {n for n in linears if n in seen and torch.equal(seen[n][0].flatten(), made)}
        assert readers == set(site.readers) - unused, site.norm


def test_every_linear_of_a_block_has_its_place_but_for_the_keys_of_cross_attention():
    sites = FAMILY.sites(NETWORK)
    places = {name for site in (*sites.norms, *sites.values) for name in site.readers}
    places |= {site.down for site in sites.gated} | set(sites.plain)
    blocks = {name for name in FAMILY.roles(NETWORK) if ".layers." in name}
    assert blocks - places == {f"lm_expert.layers.{i}.cross_attn.k_proj" for i in (1, 3)}
    makers = Counter(name for site in sites.values for name in site.makers)
    assert makers == Counter(name for name in blocks if name.endswith("v_proj"))


def test_the_head_has_an_attention_in_each_layer():
    assert list(FAMILY.attentions(NETWORK)) == [
        f"layers.{i}.{'cross' if i % 2 else 'self'}_attn" for i in range(4)
    ]
