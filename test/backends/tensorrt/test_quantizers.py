# SPDX-License-Identifier: Apache-2.0
"""Q and DQ of the exported graphs, counted against what the layout and the networks say."""

import functools
from collections import Counter

import pytest
import torch
from support.graph_policies import FAMILIES, graph_policy, lowered

from quantvla_ros.models.blocks import Attention
from quantvla_ros.quantization.folding import fold_balance, fold_temperature
from quantvla_ros.quantization.layouts import select_layers

Q, DQ = "quantvla.fake_int8.default", "quantvla.int8_weight.default"


@functools.cache
def quantized(family, layout="llm+dit"):
    """A quantized policy of a family; not to be changed."""
    policy = graph_policy(family)
    policy.quantize(layout)
    return policy


@functools.cache
def counted(family, layout="llm+dit"):
    """The operators of its graphs; for all tests, for an export takes seconds."""
    return counts(quantized(family, layout))


def counts(policy):
    programs = lowered(policy, torch.float16)[1]
    return {
        name: Counter(str(n.target) for n in program.graph.nodes if n.op == "call_function")
        for name, program in programs.items()
    }


def read(family, layout="llm+dit"):
    """Quantized weights and quantizers of each graph."""
    return {name: (one[DQ], one[Q]) for name, one in counted(family, layout).items()}


def expected(family_name, layout):
    """Weights and shared inputs of each half, by the family's own description alone."""
    policy = graph_policy(family_name)
    family, network = policy.family, policy.network
    names = set(select_layers(family.roles(network), layout)) - family.unused(network)
    shared = [set(group) & names for group in family.siblings(network)]
    found = {}
    for name, stage in (("context", "encode"), ("step", "step")):
        own = {n for n in names if family.stage(n) == stage}
        merged = sum(max(len(group & own) - 1, 0) for group in shared)
        found[name] = (len(own), len(own) - merged)
    return found


@pytest.mark.parametrize("family", ["mini_pi05", "pi05"])
@pytest.mark.parametrize("layout", ["llm+dit_mlp", "llm+dit"])
def test_q_and_dq_of_joint_families_follow_the_formula(family, layout):
    policy = quantized(family, layout)
    layers = policy.network.config.layers
    attention = layout == "llm+dit"
    wanted = {
        "context": (7 * (layers - 1) + 2, 4 * (layers - 1) + 1),
        "step": (3 * layers + 4 * layers * attention, 2 * layers + 2 * layers * attention),
    }
    assert read(family, layout) == wanted == expected(family, layout)


@pytest.mark.parametrize("layout", ["llm+dit_mlp", "llm+dit"])
def test_keys_and_values_of_cross_attention_are_in_context_each_with_a_quantizer(layout):
    policy = quantized("smolvla", layout)
    layers = policy.network.config.layers
    cross = layers // 2 if layout == "llm+dit" else 0
    joint = layers - cross if layout == "llm+dit" else 0
    wanted = {
        "context": (7 * (layers - 1) + 2 + 2 * cross, 4 * (layers - 1) + 1 + 2 * cross),
        "step": (3 * layers + 4 * joint + 2 * cross, 2 * layers + 2 * joint + 2 * cross),
    }
    assert read("smolvla", layout) == wanted == expected("smolvla", layout)


def test_q_and_dq_of_the_outside_family_follow_from_its_structure():
    # The keys and values of every head layer read one memory, so all share one quantizer.
    wanted = expected("reach", "llm+dit")
    weights, inputs = wanted["context"]
    shared = quantized("reach").network.config.head_layers - 1
    assert read("reach") == {**wanted, "context": (weights, inputs - shared)}


def test_q_and_dq_of_text_and_pictures_read_in_turn():
    # Half of the blocks that read read text, the others pictures: two quantizers for all.
    wanted = expected("groot_n17", "llm+dit")
    weights, inputs = wanted["context"]
    readers = quantized("groot_n17").network.config.head.layers // 2
    assert read("groot_n17") == {**wanted, "context": (weights, inputs - readers + 2)}


def test_q_and_dq_of_all_that_was_seen_and_read():
    # All blocks that read are given one tensor: one quantizer for all.
    wanted = expected("groot_n15", "llm+dit")
    weights, inputs = wanted["context"]
    readers = quantized("groot_n15").network.config.head.layers // 2
    assert read("groot_n15") == {**wanted, "context": (weights, inputs - readers + 1)}


def structure(network):
    """Modules and tensors of a network, but for the tensors' numbers: what a graph is made of."""
    tensors = {name: (tuple(t.shape), t.dtype) for name, t in network.state_dict().items()}
    return str(network), tensors


@pytest.mark.parametrize("family", FAMILIES)
def test_folded_corrections_add_no_operator(family):
    """Counted in the graphs of two families, for an export takes seconds; the others have nothing
    in their networks that an operator could come from."""
    corrected = graph_policy(family)
    corrected.quantize()
    for attention in corrected.family.attentions(corrected.network).values():
        assert isinstance(attention, Attention)
        fold_temperature(attention, torch.full((attention.heads,), 1.1))
        fold_balance(attention, 0.9)
    assert structure(corrected.network) == structure(quantized(family).network)
    if family in ("mini_pi05", "groot_n15"):
        assert counts(corrected) == counted(family)


def test_a_rotation_at_run_time_is_one_product_with_a_constant():
    rotated = graph_policy("mini_pi05")
    rotated.quantize("llm+dit_mlp", rotation=8)
    before, after = counted("mini_pi05", "llm+dit_mlp"), counts(rotated)
    product = "aten.matmul.default"
    for name in before:
        assert after[name][product] - before[name][product] == before[name][Q] == after[name][Q]
        assert not any("arange" in target for target in after[name])
