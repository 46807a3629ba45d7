# SPDX-License-Identifier: Apache-2.0
"""The prompt: an instruction and the normalized state in numbers from 0 to 255.

Sources: openpi, src/openpi/models/tokenizer.py, `PaligemmaTokenizer`; LeRobot 0.6.1,
policies/pi05/processor_pi05.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.bundle.schema import TokenizerSpec
from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.processing.steps import Values

TOKENIZER = "google/paligemma-3b-pt-224"
"""Repository of the tokenizer's files, where a checkpoint does not name it."""
PAD = "<pad>"
BINS = np.linspace(-1.0, 1.0, 257)[:-1]
"""Lower ends of the state's 256 bins."""


def state_numbers(state: NDArray[np.floating]) -> list[int]:
    """Bins of a normalized state; below -1 it is bin -1 and above 1 bin 255, as in training."""
    return [int(number) for number in np.digitize(state, BINS) - 1]


def prompt_of(instruction: str, numbers: list[int] | None) -> str:
    """The prompt of an instruction and the state's numbers; None: of the instruction alone.

    openpi tokenizes the line's end of the latter apart, which is a token of its own either way.
    """
    text = instruction.strip().replace("_", " ").replace("\n", " ")
    if numbers is None:
        return f"{text}\n"
    return f"Task: {text}, State: {' '.join(map(str, numbers))};\nAction: "


@dataclass(frozen=True)
class WritePrompt:
    """Adds "prompt" to an instruction and a normalized state.

    Attributes:
        state: whether it tells the state.
    """

    state: bool

    def __call__(self, values: Values) -> Values:
        """Add it."""
        numbers = state_numbers(values["state"]) if self.state else None
        return {**values, "prompt": prompt_of(values["instruction"], numbers)}


def prompt_spec(tokenizer_json: str, max_length: int, states: int | None) -> TokenizerSpec:
    """A manifest's words on the prompt, where the longest state behind an instruction fits.

    Args:
        tokenizer_json: text of tokenizer.json.
        max_length: tokens of a prompt.
        states: numbers in it, if any.
    """
    tokenizer = Tokenizer(tokenizer_json, 1_000_000)

    def tokens(numbers: list[int] | None) -> int:
        return tokenizer.read(prompt_of("a", numbers)).tokens

    longest = tokens(None)
    if states is not None:
        longest = max(tokens([number] * states) for number in range(-1, len(BINS)))
    room = max(1, max_length - longest + tokenizer.read("a").tokens)
    return TokenizerSpec(max_length=max_length, pad=PAD, room=room)
