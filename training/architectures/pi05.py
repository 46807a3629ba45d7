# SPDX-License-Identifier: Apache-2.0
"""A small pi0.5: the published architecture with fewer and narrower layers.

The prompt tells the state in numbers. Every number is a word of its own here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.models.context import Context
from quantvla_ros.models.pi05.config import Pi05Config
from quantvla_ros.models.pi05.network import Pi05
from quantvla_ros.models.pi05.prompts import BINS, prompt_spec
from simulation.tasks.registry import vocabulary
from training.architectures.architecture import Architecture, Read
from training.architectures.initial import large_words, open_gates, small_places
from training.architectures.pictures import as_floats
from training.language import MAX_LENGTH

STATES = 11
AROUND = ("task", "state", "action")
"""Words of the prompt around the instruction and the state."""


@cache
def tokenizer_json() -> str:
    """The words of all task families by the numbers of the bundled policy, then the prompt's."""
    return build_word_tokenizer([*vocabulary(), *AROUND, *map(str, range(len(BINS)))])


@cache
def _ids() -> dict[str, int]:
    tokenizer = Tokenizer(tokenizer_json(), 1)
    return {word: int(tokenizer.encode(word)[0][0]) for word in (*AROUND, "0")}


def config(narrow: bool = False) -> Pi05Config:
    """Its sizes: 36 tokens a picture of 96 pixels, four layers."""
    return Pi05Config(
        vocabulary=Tokenizer(tokenizer_json(), 1).vocabulary_size,
        cameras=2,
        horizon=16,
        action_width=8,
        state_in_prompt=STATES,
        image_size=96,
        patch=16,
        vision_width=192,
        vision_layers=3,
        vision_heads=4,
        vision_mlp=512,
        width=192,
        layers=4,
        heads=4,
        kv_heads=1,
        head_width=48,
        mlp=512,
        expert_width=128,
        expert_mlp=384,
        rope_theta=100.0,
    )


def build(sizes: Pi05Config) -> Pi05:
    """A new network; neighbouring numbers begin alike."""
    network = Pi05(sizes)
    open_gates(network)
    large_words(network, sizes.width)
    small_places(network)
    table, first = network.language_model.embed_tokens.weight, _ids()["0"]
    places = torch.linspace(-1.0, 1.0, len(BINS))[:, None]
    periods = torch.logspace(0.0, 1.5, sizes.width // 2)
    waves = torch.cat([torch.sin(places * periods), torch.cos(places * periods)], dim=1)
    with torch.no_grad():
        table[first : first + len(BINS)] = waves * (2.0 / sizes.width) ** 0.5
    return network


def prompt(batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The prompt's tokens [B, L + 14] and their mask.

    The instruction's padding stands inside of it: masked tokens are neither seen nor counted, so it
    is read as one without.
    """
    tokens, mask, ids = batch["tokens"], batch["token_mask"], _ids()
    bins = torch.as_tensor(BINS, dtype=torch.float64, device=tokens.device)
    numbers = torch.bucketize(batch["state"].double().contiguous(), bins, right=True) - 1
    task, state, action = (torch.full_like(tokens[:, :1], ids[word]) for word in AROUND)
    # What is below the range is told as -1, whose sign the tokenizer drops.
    told = ids["0"] + numbers.abs()
    here = torch.ones_like(mask[:, :1])
    return (
        torch.cat([task, tokens, state, told, action], dim=1),
        torch.cat([here, mask, here.expand(-1, STATES + 2)], dim=1),
    )


def read(network: Pi05, batch: Mapping[str, Tensor]) -> Read:
    """See `Architecture`."""
    images, cameras = as_floats(batch["images"])
    tokens, present = prompt(batch)
    x, mask = network.embed(
        {"images": images, "camera_mask": cameras, "tokens": tokens, "token_mask": present}
    )
    table, bias = network.token_places(mask)
    keys, values, features = network.read_tokens(x, table, bias)
    return Read(Context(keys, values, mask), features, features.shape[1] - 1)


def tokenizer_spec() -> TokenizerSpec:
    """A prompt has room for the longest instruction and the state."""
    return prompt_spec(tokenizer_json(), MAX_LENGTH + STATES + len(AROUND), STATES)


ARCHITECTURE = Architecture(
    family="pi05",
    config_type=Pi05Config,
    config=config,
    build=build,
    read=read,
    tokenizer_json=tokenizer_json,
    tokenizer=tokenizer_spec,
    state="range",
)
