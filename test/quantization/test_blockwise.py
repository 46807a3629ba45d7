# SPDX-License-Identifier: Apache-2.0
"""Blocks run once for all samples give what whole runs give, to the last bit."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from support import tiny_groot, tiny_policy
from torch.utils._pytree import tree_leaves

from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.families import find_family
from quantvla_ros.quantization.blockwise import Blockwise
from quantvla_ros.quantization.layouts import select_layers
from quantvla_ros.quantization.observe import observe_inputs

COUNT = 5
FAMILY = find_family("mini_pi05")


def subject(layout="llm+dit", support=tiny_policy, family=FAMILY):
    network = support.tiny_network()
    names = select_layers(family.roles(network), layout)
    encode = [name for name in names if family.stage(name) == "encode"]
    runs = [partial(network.encode, support.network_inputs(seed)) for seed in range(COUNT)]
    return network, encode, runs


def blockwise_of(network, names, runs, folder, family=FAMILY):
    return Blockwise(network, names, family.siblings(network), runs, folder)


def all_equal(first, second):
    pairs = zip(tree_leaves(first), tree_leaves(second), strict=True)
    return all(torch.equal(one, two) for one, two in pairs)


OTHER = {"support": tiny_groot, "family": find_family("groot_n17")}
"""Between its blocks, what its vision tower saw on the way is added."""


@pytest.mark.parametrize(
    ("layout", "other"),
    [("llm+dit", {}), ("all", {}), ("none", {}), ("llm+dit", OTHER)],
    ids=["llm+dit", "all", "none", "other family"],
)
def test_statistics_and_results_are_those_of_whole_runs(tmp_path, layout, other):
    network, names, runs = subject(layout, **other)
    whole = observe_inputs(network, names, lambda: [run() for run in runs], True, True)
    blockwise = blockwise_of(network, names, runs, tmp_path, other.get("family", FAMILY))
    seen = {}
    for part in blockwise.parts():
        seen |= observe_inputs(network, part.layers, partial(blockwise.run, part), True, True)
    assert seen.keys() == whole.keys() == set(blockwise.reached)
    for name, found in seen.items():
        assert torch.equal(found.hessian, whole[name].hessian)
        assert torch.equal(found.histogram, whole[name].histogram)
        assert torch.equal(found.sample.tokens, whole[name].sample.tokens)
        assert found.count == whole[name].count
    with torch.no_grad():
        assert all(all_equal(a, run()) for a, run in zip(blockwise.results(), runs, strict=True))


def test_a_block_runs_once_for_each_sample_and_not_again_after_a_stop(tmp_path):
    network, names, runs = subject()
    first, second = (blockwise_of(network, names, runs, tmp_path) for _ in range(2))
    inner = network.language_model.layers[0].mlp
    ran = []
    inner.register_forward_hook(lambda *_: ran.append(1))
    parts = first.parts()
    first.run(parts[0])
    assert len(ran) == COUNT and first.kept(parts[0])
    for part in second.parts()[1:]:
        second.run(part)
    list(second.results())
    assert len(ran) == COUNT


def test_a_part_that_is_forgotten_is_run_again_as_it_is_then(tmp_path):
    network, names, runs = subject()
    blockwise = blockwise_of(network, names, runs, tmp_path)
    part = blockwise.parts()[0]
    blockwise.run(part, keep=False)
    assert not blockwise.kept(part)
    network.language_model.layers[0].mlp.down_proj.weight.mul_(0.5)
    blockwise.run(part)
    with torch.no_grad():
        assert all(all_equal(a, run()) for a, run in zip(blockwise.results(), runs, strict=True))


def test_siblings_outside_of_blocks_are_observed_together(tmp_path):
    network, names, runs = subject()
    last = f"language_model.layers.{len(network.language_model.layers) - 1}.self_attn"
    part = blockwise_of(network, names, runs, tmp_path).parts()[-1]
    assert part.layers == (f"{last}.k_proj", f"{last}.v_proj")


def test_a_module_that_only_some_samples_run_is_an_error_that_names_it(tmp_path):
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    x = torch.randn(3, 2)
    runs = [partial(network, x), partial(network[0], x)]
    blockwise = Blockwise(network, ["0", "1"], [], runs, tmp_path)
    blockwise.run(blockwise.parts()[0])
    with pytest.raises(QuantVLAError, match=r"module '1' runs in 1 of 2 calibration runs"):
        blockwise.run(blockwise.parts()[1])
