# SPDX-License-Identifier: Apache-2.0
"""The chat that an instruction becomes.

Source: Qwen3-VL's chat template as lerobot 0.6.1 calls it (policies/groot/processor_groot.py): no
system part, no generation prompt, nothing between pictures.
"""

from __future__ import annotations

from functools import partial

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.dit.prompt import ChatPrompt, formal, token_ids

BEGIN, END = "<|im_start|>user\n", "<|im_end|>\n"
PICTURE_BEGIN, PICTURE_END = "<|vision_start|>", "<|vision_end|>"


def chat_prompt(tokenizer: Tokenizer, cameras: int, formalize: bool) -> ChatPrompt:
    """The prompt of a policy with so many cameras; `formalize`: see `formal`."""
    between = (PICTURE_END + PICTURE_BEGIN,) * (cameras - 1)
    before = (BEGIN + PICTURE_BEGIN, *between, PICTURE_END)
    return ChatPrompt(tokenizer, before, END, partial(_words, tokenizer, formalize))


def _words(tokenizer: Tokenizer, formalize: bool, instruction: str) -> str:
    """The words of an instruction as they are tokenized.

    Raises:
        QuantVLAError: nothing is left of them.
    """
    # What is formal holds no mark any more.
    words = formal(instruction) if formalize else tokenizer.cleaned(instruction)
    if not words.strip():
        raise QuantVLAError("the instruction holds no word; publish a sentence for the policy")
    return words


def lead_tokens(tokenizer: Tokenizer) -> list[int]:
    """Ids of all that stands in front of the first picture."""
    return token_ids(tokenizer, BEGIN + PICTURE_BEGIN)
