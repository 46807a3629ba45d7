# SPDX-License-Identifier: Apache-2.0
"""Instructions of the training data: wordings of all task families and their tokens."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from simulation.tasks.registry import TASKS, make_task, vocabulary

MAX_LENGTH = 12
GARBLED = 0.5
"""Share of the sentences with wrong or missing words."""
OTHER_WORD, NO_WORD = 0.25, 0.1
"""Share of the small words in them."""
WORDINGS = 512
"""Of each goal, that a training draws from."""
_OBJECT, _DESTINATION = "{object}", "{destination}"


class GoalName(NamedTuple):
    """What an episode asks for, by its words."""

    family: str
    object: str
    destination: str


@cache
def all_goals() -> tuple[GoalName, ...]:
    """Every goal of every task family."""
    return tuple(
        GoalName(family, goal.object, goal.destination)
        for family in TASKS
        for goal in make_task(family).all_goals
    )


@cache
def tokenizer_json() -> str:
    """The bundled policy's tokenizer file."""
    return build_word_tokenizer(vocabulary())


def vocabulary_size() -> int:
    """Words plus padding and unknown."""
    return len(vocabulary()) + 2


@cache
def templates(family: str) -> tuple[str, ...]:
    """Every wording of a family that training may use."""
    return make_task(family).wordings


@cache
def held_out(family: str) -> tuple[str, ...]:
    """Those that it may not."""
    return make_task(family).held_out_wordings


@cache
def small_words() -> tuple[str, ...]:
    """The words of all wordings, without what they name."""
    text = " ".join(" ".join(templates(family)) for family in TASKS)
    return tuple(sorted(set(text.split()) - {_OBJECT, _DESTINATION}))


@cache
def told_by_destination(family: str) -> bool:
    """Whether no other family has one of its destinations, so that its other words say no more."""
    mine = {goal.destination for goal in make_task(family).all_goals}
    others = [make_task(name) for name in TASKS if name != family]
    return not any(goal.destination in mine for task in others for goal in task.all_goals)


def wording(goal: GoalName, rng: np.random.Generator) -> str:
    """The goal in a wording drawn anew, often with wrong or missing words around what it names.

    A policy that saw a few sentences only takes each as a whole, and does not know a new one of the
    same words. A held-out wording never comes out.
    """
    choices = templates(goal.family)
    template = choices[int(rng.integers(len(choices)))]
    if told_by_destination(goal.family) and rng.random() < GARBLED:
        words = [w for word in template.split() if (w := _garbled(word, rng)) is not None]
        if (garbled := " ".join(words)) not in held_out(goal.family):
            template = garbled
    return template.format(object=goal.object, destination=goal.destination)


def _garbled(word: str, rng: np.random.Generator) -> str | None:
    drawn = rng.random()
    if word in (_OBJECT, _DESTINATION) or drawn >= OTHER_WORD + NO_WORD:
        return word
    if drawn < NO_WORD:
        return None
    return small_words()[int(rng.integers(len(small_words())))]


class Sentences:
    """Tokens of many wordings of every goal.

    They are drawn beforehand: drawing and encoding one takes 70 us, which for the batch of a GPU is
    longer than its step.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        tokenizer = Tokenizer(tokenizer_json(), MAX_LENGTH)
        rows = [
            tokenizer.encode(wording(goal, rng)) for goal in all_goals() for _ in range(WORDINGS)
        ]
        self.tokens = torch.from_numpy(np.stack([ids for ids, _ in rows]))
        self.mask = torch.from_numpy(np.stack([mask for _, mask in rows]))

    def draw(self, goals: npt.NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Tokens [B, 12] and mask [B, 12] that ask for each goal (its place in `all_goals`)."""
        rows = torch.from_numpy(goals * WORDINGS + rng.integers(WORDINGS, size=len(goals)))
        return self.tokens[rows], self.mask[rows]
