# SPDX-License-Identifier: Apache-2.0
"""Instructions of the training data: wordings of all task families and their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.sim.tasks.registry import make_task, vocabulary

MAX_LENGTH = 12


class GoalName(NamedTuple):
    """What an episode asks for, by its words."""

    family: str
    object: str
    destination: str


@cache
def tokenizer_json() -> str:
    """The bundled policy's tokenizer file."""
    return build_word_tokenizer(vocabulary())


def vocabulary_size() -> int:
    """Words plus padding and unknown."""
    return len(vocabulary()) + 2


@cache
def sentences(goal: GoalName) -> tuple[str, ...]:
    """The goal in every wording of its family that training may use."""
    return tuple(
        template.format(object=goal.object, destination=goal.destination)
        for template in make_task(goal.family).wordings
    )


@cache
def _encoded(sentence: str) -> tuple[np.ndarray, np.ndarray]:
    return Tokenizer(tokenizer_json(), MAX_LENGTH).encode(sentence)


def instruction_tokens(
    goals: Sequence[GoalName], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Tokens [B, 12] and mask [B, 12] that ask for each goal in a wording drawn anew."""
    rows = []
    for goal, draw in zip(goals, rng.random(len(goals)).tolist(), strict=True):
        wordings = sentences(goal)
        rows.append(_encoded(wordings[int(draw * len(wordings))]))
    return (
        torch.from_numpy(np.stack([ids for ids, _ in rows])),
        torch.from_numpy(np.stack([mask for _, mask in rows])),
    )
