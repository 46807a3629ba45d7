# SPDX-License-Identifier: Apache-2.0
"""The published sizes, without weights: what an import must find, what quantization counts."""

from __future__ import annotations

from collections import Counter
from math import prod

import pytest
import torch
from support.published_groot import PARAMETERS, TENSORS, published_checkpoint

from quantvla_ros.checkpoints.weights import Weights
from quantvla_ros.models.dit.roles import layer_roles
from quantvla_ros.models.groot_n17.config import GrootN17Config, PicturePath
from quantvla_ros.models.groot_n17.network import GrootN17
from quantvla_ros.models.groot_n17.sizes import head, language, settings, vision
from quantvla_ros.models.groot_n17.weights import WORDS_TOO, give_weights
from studies.full_size.groot_n17 import SIZES

ONE_EMBODIMENT = 2_825_162_884
"""Parameters for one embodiment and two cameras."""
CHECKPOINT = published_checkpoint()


@pytest.fixture(scope="module")
def weights():
    return Weights(CHECKPOINT)


@pytest.fixture(scope="module")
def network(weights):
    told = settings("config.json", CHECKPOINT.config, {})
    config = GrootN17Config(
        vision=vision(weights, told),
        language=language(weights, told),
        head=head(weights, told),
        grids=((16, 16), (16, 16)),
        lead=4,
        state_width=132,
        action_width=132,
        rows=told["action_horizon"],
        pictures=PicturePath(
            method="resize",
            letter_box=False,
            edge=256,
            target=(256, 256),
            crop=230 / 256,
            fewest=65536,
            most=1 << 24,
        ),
        formalize=True,
    )
    with torch.device("meta"):
        return GrootN17(config)


def test_the_table_has_as_many_tensors_and_parameters_as_the_public_code():
    shapes = {name: prod(source.shape) for name, source in CHECKPOINT.sources.items()}
    assert len(shapes) == TENSORS
    assert sum(shapes.values()) - shapes[WORDS_TOO] == PARAMETERS


def test_every_published_tensor_has_its_place(weights, network):
    give_weights(weights, network.config, embodiment=10)
    weights.check(network.state_dict())
    # Without the twin, the last norm, 31 of 32 embodiments and places that are not used.
    assert sum(p.numel() for p in network.parameters()) == ONE_EMBODIMENT < PARAMETERS
    assert 2 * ONE_EMBODIMENT < weights.bytes < 2.001 * ONE_EMBODIMENT


def test_the_sizes_are_the_published_ones(network):
    config = network.config
    assert (config.language.layers, config.head.layers, config.head.reader_layers) == (16, 32, 4)
    assert (config.head.head_width, config.language.head_width) == (48, 128)
    assert config.head.reader_mlp == 8192 and config.vision.layers == 24


def test_the_layouts_have_as_many_linears_and_weights_as_published(network):
    roles = layer_roles(network)
    count = Counter(roles.values())
    assert count["llm_attn"] + count["llm_mlp"] == 112 and count["dit_mlp"] == 64
    weights = Counter()
    for name, role in roles.items():
        weights[role] += network.get_submodule(name).weight.numel()
    assert (weights["llm_attn"], weights["llm_mlp"]) == (201_326_592, 603_979_776)
    assert (weights["dit_mlp"], weights["dit_attn"]) == (603_979_776, 327_155_712)
    assert count["dit_attn"] == 128


def test_the_study_of_full_sizes_has_the_same(network):
    assert network.config == SIZES
