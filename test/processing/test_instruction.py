# SPDX-License-Identifier: Apache-2.0
"""What a policy can know of an instruction, for tokenizers of words, of bytes and of parts."""

from __future__ import annotations

import pytest
import tokenizers
from support.spelling_tokenizers import byte_tokenizer, fallback_tokenizer
from tokenizers import models

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.processing.instruction import InstructionCheck, Judgement, too_long

WORDS = ["put", "the", "milk", "butter", "in", "basket", "and", "take", "it"]
KNOWN = ["put the milk in the basket", "put the butter in the basket"]


def word_tokenizer(length=8):
    return Tokenizer(build_word_tokenizer(WORDS), length)


@pytest.mark.parametrize("text", [*KNOWN, "Put the MILK, in the basket!", "milk", "", "  "])
def test_known_words_are_fine(text):
    assert InstructionCheck(word_tokenizer()).judge(text) == Judgement()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nimm bitte Käse", "the policy knows 0 of 3 words .* (unknown: nimm, bitte, Käse)"),
        ("把黄油放进篮子里", "the policy knows 0 of 1 words"),
        ("leg die butter in den korb", "the policy knows 2 of 6 words"),
        ("xyzzy", "unknown: xyzzy"),
    ],
)
def test_another_language_is_unknown(text, words):
    judgement = InstructionCheck(word_tokenizer()).judge(text)
    assert judgement.refusal == judgement.unknown
    for part in words.split(" .* "):
        assert part in judgement.unknown


def test_a_polite_word_is_doubtful_and_named():
    judgement = InstructionCheck(word_tokenizer()).judge("please put the milk in the basket")
    assert judgement.refusal == ""
    assert judgement.doubtful == "the policy does not know these words: please"


def test_what_the_cut_would_lose_is_told():
    long = "take the milk and put it in the basket"
    judgement = InstructionCheck(word_tokenizer()).judge(long)
    assert judgement.refusal == (
        "the instruction has 9 tokens and the policy reads 8, so that 'basket' would be lost; "
        "shorten it"
    )
    assert InstructionCheck(word_tokenizer(9)).judge(long) == Judgement()


@pytest.mark.parametrize("text", ["...", "?!"])
def test_text_without_a_word_cannot_be_read(text):
    assert "holds no word" in InstructionCheck(word_tokenizer()).judge(text).unreadable


@pytest.mark.parametrize("text", ["put the butter in the basket " * 20, "请把黄油放进篮子里" * 20])
@pytest.mark.parametrize("tokenizer", [word_tokenizer, byte_tokenizer, fallback_tokenizer])
def test_more_than_512_bytes_are_told_with_both_numbers(text, tokenizer):
    size = len(text.strip().encode())
    sentence = InstructionCheck(tokenizer()).judge(text).unreadable
    assert f"has {size} bytes and at most 512 are allowed" in sentence
    assert len(sentence) < 200


def test_the_limit_itself_is_allowed():
    assert too_long("x" * 512) == "" and too_long("x" * 513) != ""


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, fallback_tokenizer])
def test_a_tokenizer_that_spells_everything_knows_what_was_calibrated(tokenizer):
    check = InstructionCheck(tokenizer(), KNOWN)
    assert check.judge(f"  {KNOWN[0]}\n") == Judgement()
    unknown = check.judge("nimm bitte den Käse").unknown
    assert "'nimm bitte den Käse' is none that the policy was calibrated on" in unknown
    assert f"calibrated on '{KNOWN[0]}', '{KNOWN[1]}'" in unknown


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, fallback_tokenizer])
def test_without_a_list_such_a_tokenizer_says_nothing(tokenizer):
    assert InstructionCheck(tokenizer()).judge("nimm bitte den Käse") == Judgement()


def test_a_long_list_is_not_told_whole():
    check = InstructionCheck(byte_tokenizer(), [f"put milk {i}" for i in range(9)])
    assert check.judge("take it").unknown.endswith("'put milk 2' and 6 more")


def test_words_need_no_list():
    check = InstructionCheck(word_tokenizer(), KNOWN)
    assert check.judge("take the butter and put it in") == Judgement()


@pytest.mark.parametrize("end", [True, False])
def test_an_end_token_takes_a_place_and_is_no_text(end):
    whole = "put the milk"
    fits = len(whole) + end
    assert InstructionCheck(byte_tokenizer(fits, end)).judge(whole) == Judgement()
    cut = InstructionCheck(byte_tokenizer(fits - 2, end)).judge(whole).unreadable
    assert f"has {fits} tokens and the policy reads {fits - 2}, so that 'lk' would be lost" in cut


def test_a_tokenizer_that_fails_is_told():
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocab={"milk": 0}, unk_token="<unk>"))
    check = InstructionCheck(Tokenizer(tokenizer.to_str(), 8))
    assert "the instruction 'cheese' cannot be read" in check.judge("cheese").unreadable
