# SPDX-License-Identifier: Apache-2.0
"""Instructions of the training data: phrasings and their tokens."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.sim.tasks.pick_place import INSTRUCTION, OBJECTS

PHRASINGS = (
    INSTRUCTION,
    "place the {} in the basket",
    "move the {} into the basket",
    "pick up the {} and put it in the basket",
)
PLAIN_SHARE = 0.6  # of the samples use the task's own sentence
MAX_LENGTH = 12


def vocabulary() -> list[str]:
    """Every word that an instruction can hold, sorted."""
    sentences = [p.format(item.name) for p in PHRASINGS for item in OBJECTS]
    return sorted({word for sentence in sentences for word in sentence.split()})


@cache
def tokenizer_json() -> str:
    """The bundled policy's tokenizer file."""
    return build_word_tokenizer(vocabulary())


def vocabulary_size() -> int:
    """Words plus padding and unknown."""
    return len(vocabulary()) + 2


@cache
def _encoded(phrasing: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    tokenizer = Tokenizer(tokenizer_json(), MAX_LENGTH)
    return tokenizer.encode(PHRASINGS[phrasing].format(OBJECTS[target].name))


def instruction_tokens(targets: list[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Tokens [B, 12] and mask [B, 12] that name each target in a random phrasing."""
    plain = rng.random(len(targets)) < PLAIN_SHARE
    other = rng.integers(1, len(PHRASINGS), len(targets))
    rows = [_encoded(0 if p else int(o), t) for p, o, t in zip(plain, other, targets, strict=True)]
    return (
        torch.from_numpy(np.stack([ids for ids, _ in rows])),
        torch.from_numpy(np.stack([mask for _, mask in rows])),
    )
