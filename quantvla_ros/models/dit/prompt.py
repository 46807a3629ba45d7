# SPDX-License-Identifier: Apache-2.0
"""The chat that an instruction becomes: pictures first, then the words, in one user message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantvla_ros.bundle.tokenizer import Tokenizer


@dataclass(frozen=True)
class ChatPrompt:
    """From "instruction" to "tokens", int64 [T], and "token_mask", bool [T], of all text.

    The pictures' own tokens stand at places that the network knows (see `TokenLayout`). What stands
    around the words is the same for every instruction, and special tokens part it from them, so it
    is tokenized apart.

    Attributes:
        tokenizer: of the bundle; its length is that of the words alone.
        before: text in front of the first picture, between two, and behind the last one, each
            parted from its neighbours by special tokens.
        after: text behind the words.
        words: the words of an instruction, without marks of the chat.
    """

    tokenizer: Tokenizer
    before: Sequence[str]
    after: str
    words: Callable[[str], str]

    def __call__(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add both; padding is on the right."""
        before = [token for text in self.before for token in token_ids(self.tokenizer, text)]
        words = token_ids(self.tokenizer, self.words(values["instruction"]))
        tokens = [*before, *words, *token_ids(self.tokenizer, self.after)]
        length = len(tokens) - len(words) + self.tokenizer.max_length
        ids = np.zeros(length, np.int64)
        ids[: len(tokens)] = tokens
        return {**values, "tokens": ids, "token_mask": np.arange(length) < len(tokens)}


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text without padding."""
    ids, there = tokenizer.encode(text)
    return [int(token) for token in ids[there]]


def formal(text: str) -> str:
    """An instruction as some policies were trained: lower case, no punctuation."""
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace() or c == "_")
