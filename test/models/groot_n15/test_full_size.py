# SPDX-License-Identifier: Apache-2.0
"""The published sizes, without weights: what an import must find, what quantization counts."""

from __future__ import annotations

from collections import Counter
from math import prod

import pytest
import torch
from support.published_groot_n15 import PARAMETERS, TENSORS, WORDS_TOO, published_checkpoint

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.roles import layer_roles
from quantvla_ros.models.groot_n15.config import GrootN15Config
from quantvla_ros.models.groot_n15.network import GrootN15
from quantvla_ros.models.groot_n15.sizes import head, language, settings, vision
from quantvla_ros.models.groot_n15.weights import give_weights

ONE_EMBODIMENT = 2_091_280_144
"""Parameters for one embodiment, whatever the number of cameras."""
CHECKPOINT = published_checkpoint()


@pytest.fixture(scope="module")
def weights():
    return Weights(CHECKPOINT)


@pytest.fixture(scope="module")
def network(weights):
    told = settings("config.json", CHECKPOINT.config, {})
    config = GrootN15Config(
        vision=vision(weights, told),
        language=language(weights, told),
        head=head(weights, told),
        state_width=64,
        action_width=32,
        rows=told["action_head_cfg"]["action_horizon"],
        cameras=2,
        lead=20,
        between=(7,),
        future=32,
        origin="nvidia",
    )
    with torch.device("meta"):
        return GrootN15(config)


def test_the_table_has_as_many_tensors_and_parameters_as_the_public_code():
    shapes = {name: prod(source.shape) for name, source in CHECKPOINT.sources.items()}
    assert len(shapes) == TENSORS
    assert sum(shapes.values()) - shapes[WORDS_TOO] == PARAMETERS


def test_every_published_tensor_has_its_place(weights, network):
    give_weights(weights, network.config, embodiment=31)
    weights.check(network.state_dict())
    # Without the twin, the tower's pooling, 31 of 32 embodiments and places that are not used.
    assert sum(p.numel() for p in network.parameters()) == ONE_EMBODIMENT < PARAMETERS


def test_the_sizes_are_the_published_ones(network):
    config = network.config
    assert (config.language.layers, config.head.layers, config.head.reader_layers) == (12, 16, 4)
    assert (config.language.heads, config.language.kv_heads) == (16, 8)
    assert (config.head.head_width, config.language.head_width) == (48, 128)
    assert (config.vision.image_size, config.vision.layers, config.rows) == (224, 27, 16)


def test_the_layouts_have_as_many_linears_as_the_paper(network):
    count = Counter(layer_roles(network).values())
    assert count["llm_attn"] + count["llm_mlp"] == 84 and count["dit_mlp"] == 32
    assert count["dit_attn"] == 64
