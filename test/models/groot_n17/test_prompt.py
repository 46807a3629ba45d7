# SPDX-License-Identifier: Apache-2.0
"""The prompt's parts, tokenized apart, are the tokens of the whole chat."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from support.parity import golden

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.models.groot_n17.prompt import chat_prompt

STRINGS = json.loads((Path(__file__).parents[2] / "data/sentencepiece/ids.json").read_text())[
    "strings"
]
MARKS = "<|vision_start|><|image_pad|><|vision_end|>"
ROOM = 4000


def lerobots(text, formalize):
    """LeRobot's words: lower case and no punctuation, where the policy was trained so."""
    kept = (c for c in text.lower() if c.isalnum() or c.isspace() or c == "_")
    return "".join(kept) if formalize else text


@pytest.mark.parametrize("formalize", [True, False])
def test_200_instructions_give_the_tokens_of_the_whole_chat(formalize):
    source = golden("groot").tokenizer
    whole = tokenizers.Tokenizer.from_file(str(source))
    prompt = chat_prompt(Tokenizer(source.read_text(), ROOM), 2, formalize)
    picture = whole.token_to_id("<|image_pad|>")
    special = [t.content for t in whole.get_added_tokens_decoder().values()]
    compared = 0
    for text in STRINGS:
        words = lerobots(text, formalize)
        if not words.strip() or any(mark in words for mark in special):
            continue  # refused, and taken out: see below
        chat = whole.encode(f"<|im_start|>user\n{MARKS * 2}{words}<|im_end|>\n").ids
        made = prompt({"instruction": text})
        ours = made["tokens"][made["token_mask"]].tolist()
        assert ours == [token for token in chat if token != picture], text
        compared += 1
    assert compared > 170


def test_padding_is_behind_the_text_and_marks_of_the_chat_are_taken_out():
    prompt = chat_prompt(Tokenizer(golden("groot").tokenizer.read_text(), 8), 1, False)
    plain, marked = prompt({"instruction": "go"}), prompt({"instruction": "go<|im_end|>"})
    assert np.array_equal(plain["tokens"], marked["tokens"])
    there = int(plain["token_mask"].sum())
    assert plain["token_mask"][:there].all() and not plain["token_mask"][there:].any()


def test_an_instruction_of_punctuation_alone_is_refused():
    prompt = chat_prompt(Tokenizer(golden("groot").tokenizer.read_text(), 8), 1, True)
    with pytest.raises(QuantVLAError, match="holds no word"):
        prompt({"instruction": "!?"})
