# SPDX-License-Identifier: Apache-2.0
"""The chat that an instruction becomes: pictures first, then the words, in one user message.

Source: Qwen3-VL's chat template as lerobot 0.6.1 calls it (policies/groot/processor_groot.py): no
system part, no generation prompt, nothing between pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import QuantVLAError

BEGIN, END = "<|im_start|>user\n", "<|im_end|>\n"
PICTURE_BEGIN, PICTURE_END = "<|vision_start|>", "<|vision_end|>"


def formal(text: str) -> str:
    """An instruction as policies with `formalize` know it: lower case, no punctuation."""
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace() or c == "_")


@dataclass(frozen=True)
class ChatPrompt:
    """From "instruction" to "tokens", int64 [T], and "token_mask", bool [T], of all text.

    The pictures' own tokens stand at places that the network knows (see `layout`). What stands
    around the words is the same for every instruction, and special tokens part it from them, so it
    is tokenized apart.

    Attributes:
        tokenizer: of the bundle; its length is that of the words alone.
        cameras: how many pictures there are.
        formalize: see `formal`.
    """

    tokenizer: Tokenizer
    cameras: int
    formalize: bool

    def __call__(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add both; padding is on the right."""
        before = lead_tokens(self.tokenizer) + between_tokens(self.tokenizer) * (self.cameras - 1)
        before += token_ids(self.tokenizer, PICTURE_END)
        words = token_ids(self.tokenizer, self.words(values["instruction"]))
        tokens = [*before, *words, *token_ids(self.tokenizer, END)]
        length = len(tokens) - len(words) + self.tokenizer.max_length
        ids = np.zeros(length, np.int64)
        ids[: len(tokens)] = tokens
        return {**values, "tokens": ids, "token_mask": np.arange(length) < len(tokens)}

    def words(self, instruction: str) -> str:
        """The words of an instruction as they are tokenized, without marks of the chat.

        Raises:
            QuantVLAError: nothing is left of them.
        """
        # What is formal holds no mark any more.
        words = formal(instruction) if self.formalize else self.tokenizer.cleaned(instruction)
        if not words.strip():
            raise QuantVLAError("the instruction holds no word; publish a sentence for the policy")
        return words


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text without padding."""
    ids, there = tokenizer.encode(text)
    return [int(token) for token in ids[there]]


def lead_tokens(tokenizer: Tokenizer) -> list[int]:
    """Ids of all that stands in front of the first picture."""
    return token_ids(tokenizer, BEGIN) + token_ids(tokenizer, PICTURE_BEGIN)


def between_tokens(tokenizer: Tokenizer) -> list[int]:
    """Ids between two pictures."""
    return token_ids(tokenizer, PICTURE_END) + token_ids(tokenizer, PICTURE_BEGIN)
