# SPDX-License-Identifier: Apache-2.0
"""The published size, without its numbers: counts of layers, tensors and parameters."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from quantvla_ros.models.families import find_family
from quantvla_ros.models.pi05.config import Pi05Config
from studies.full_size.pi05 import tensors

FAMILY = find_family("pi05")
TABLE = 257152 * 2048
"""Numbers in the table of words; that of the expert's logits has half as many."""


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        return FAMILY.build(Pi05Config(cameras=3, horizon=50, state_in_prompt=8))


def test_layouts_have_the_layers_of_the_paper(network):
    counts = Counter(FAMILY.roles(network).values())
    assert counts["llm_attn"] + counts["llm_mlp"] == 126
    assert counts["dit_mlp"] == 54 and counts["dit_attn"] == 72
    assert counts["vision"] == 162 and counts["condition"] == 39 and counts["projection"] == 3
    # 458 linears in the published network, two of them tables of logits.
    assert sum(counts.values()) == 456


def test_tensors_and_parameters_are_the_published_ones_without_what_is_left_out(network):
    # Both tables of logits and the language model's last norm.
    assert len(network.state_dict()) == 813 - 3
    count = sum(p.numel() for p in network.parameters())
    assert count == 3_616_757_520 - TABLE // 2 - 2048


def test_weights_of_the_layout(network):
    roles = FAMILY.roles(network)
    held = Counter()
    for name, role in roles.items():
        held[role] += network.get_submodule(name).weight.numel()
    assert held["llm_attn"] + held["llm_mlp"] == 1_981_808_640
    assert held["dit_mlp"] == 226_492_416


def test_the_published_tensors_fill_the_network():
    published = tensors(words_twice=True)
    assert len(published) == 813
    words = [name for name in published if name.endswith(("embed_tokens.weight", "lm_head.weight"))]
    assert len(words) == 3
    assert sum(tensor.numel() for tensor in published.values()) == 4_143_404_816
    stored = tensors()
    assert sum(tensor.numel() for tensor in stored.values()) == 3_616_757_520
