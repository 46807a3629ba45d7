# SPDX-License-Identifier: Apache-2.0
"""The bundled policy's network: 8 million parameters in pi0.5's shape."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.models.mini_pi05.config import MiniPi05Config
from quantvla_ros.models.mini_pi05.network import MiniPi05
from training.architectures.architecture import Architecture, Read
from training.architectures.initial import large_words, open_gates
from training.language import MAX_LENGTH, tokenizer_json, vocabulary_size
from training.widening import halved


def config(narrow: bool = False) -> MiniPi05Config:
    """Its sizes; the narrow network has half the channels."""
    sizes = MiniPi05Config(
        vocabulary=vocabulary_size(),
        cameras=2,
        image_size=96,
        state_width=11,
        action_width=8,
        horizon=16,
    )
    return halved(sizes) if narrow else sizes


def build(sizes: MiniPi05Config) -> MiniPi05:
    """A new network."""
    network = MiniPi05(sizes)
    open_gates(network)
    large_words(network, sizes.width)
    return network


def read(network: MiniPi05, batch: Mapping[str, Tensor]) -> Read:
    """See `Architecture`."""
    inputs = {name: batch[name] for name in ("images", "state", "tokens", "token_mask")}
    x, mask = network.embed(inputs)
    # Without `features` the second value is what the last keys and values are made of.
    context, features = network.run_language_model(x, mask, features=False)
    return Read(context, features, features.shape[1] - batch["tokens"].shape[1] - 1)


ARCHITECTURE = Architecture(
    family="mini_pi05",
    config_type=MiniPi05Config,
    config=config,
    build=build,
    read=read,
    tokenizer_json=tokenizer_json,
    tokenizer=lambda: TokenizerSpec(max_length=MAX_LENGTH),
    has_narrow=True,
)
