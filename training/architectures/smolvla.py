# SPDX-License-Identifier: Apache-2.0
"""A small SmolVLA: the published architecture with fewer and narrower layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.models.context import Context
from quantvla_ros.models.smolvla.config import SmolVLAConfig
from quantvla_ros.models.smolvla.network import SmolVLA
from training.architectures.architecture import Architecture, Read
from training.architectures.initial import large_words, small_places
from training.architectures.pictures import as_floats
from training.language import MAX_LENGTH, tokenizer_json, vocabulary_size


def config(narrow: bool = False) -> SmolVLAConfig:
    """Its sizes: 36 tokens a picture of 96 pixels, four layers."""
    return SmolVLAConfig(
        vocabulary=vocabulary_size(),
        cameras=2,
        image_size=96,
        patch=8,
        shuffle=2,
        vision_width=96,
        vision_layers=3,
        vision_heads=3,
        vision_mlp=288,
        width=192,
        layers=4,
        heads=6,
        kv_heads=2,
        head_width=32,
        mlp=512,
        expert_width=128,
        expert_mlp=384,
        state_width=11,
        action_width=8,
        horizon=16,
        rope_theta=100.0,
    )


def build(sizes: SmolVLAConfig) -> SmolVLA:
    """A new network."""
    network = SmolVLA(sizes)
    large_words(network, sizes.width)
    small_places(network)
    return network


def read(network: SmolVLA, batch: Mapping[str, Tensor]) -> Read:
    """See `Architecture`."""
    images, cameras = as_floats(batch["images"])
    mask = network.token_mask({"camera_mask": cameras, "token_mask": batch["token_mask"]})
    x = network.tokens(images, batch["state"], batch["tokens"])
    keys, values, features = network.read_tokens(x, *network.token_places(mask))
    return Read(Context(keys, values, mask), features, features.shape[1] - 1)


ARCHITECTURE = Architecture(
    family="smolvla",
    config_type=SmolVLAConfig,
    config=config,
    build=build,
    blocks=("text_model.layers", "lm_expert.layers", "pictures.vision_model.layers"),
    language_layers="text_model.layers",
    read=read,
    tokenizer_json=tokenizer_json,
    tokenizer=lambda: TokenizerSpec(max_length=MAX_LENGTH),
)
