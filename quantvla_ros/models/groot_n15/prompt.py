# SPDX-License-Identifier: Apache-2.0
"""The chat that an instruction becomes.

Source: eagle2_hg_model's chat_template.json and processing_eagle2_5_vl.py, as lerobot 0.4.4 calls
them (policies/groot/processor_groot.py). Both projects write the instruction as Python prints a
list of one string: NVIDIA's runtime by printing an array, LeRobot to do the same.
"""

from __future__ import annotations

from functools import partial

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.models.dit.prompt import ChatPrompt, token_ids
from quantvla_ros.models.groot_n15.config import GrootN15Config, Origin

BEGIN = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
END = "<|im_end|>\n<|im_start|>assistant\n"
PICTURE_BEGIN, PICTURE_END = "<image {}><img>", "</img>"
SILENT: dict[Origin, str] = {
    "lerobot": "Perform the task.",
    "nvidia": "Perform the default behavior.",
}
"""What an empty instruction becomes."""


def chat_prompt(tokenizer: Tokenizer, config: GrootN15Config) -> ChatPrompt:
    """The prompt of a policy."""
    words = partial(_words, tokenizer, config)
    return ChatPrompt(tokenizer, (*text_between(config.cameras), PICTURE_END), END, words)


def text_between(cameras: int) -> list[str]:
    """Text in front of the first picture, and between two."""
    begins = [PICTURE_BEGIN.format(number + 1) for number in range(cameras)]
    return [BEGIN + begins[0], *(PICTURE_END + begin for begin in begins[1:])]


def tokens_between(tokenizer: Tokenizer, cameras: int) -> list[int]:
    """How many tokens these are."""
    return [len(token_ids(tokenizer, text)) for text in text_between(cameras)]


def _words(tokenizer: Tokenizer, config: GrootN15Config, instruction: str) -> str:
    words = tokenizer.cleaned(instruction) or SILENT[config.origin]
    if config.formalize:
        words = "".join(c for c in words.lower() if c.isalnum() or c.isspace())
    return str([words])
