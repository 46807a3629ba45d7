# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import numpy as np
import pytest

from quantvla_ros.bundle.tokenizer import Tokenizer, build_word_tokenizer
from quantvla_ros.errors import BundleError, QuantVLAError

WORDS = ["put", "the", "milk", "in", "basket"]


@pytest.fixture
def tokenizer():
    return Tokenizer(build_word_tokenizer(WORDS), max_length=8)


def test_ids_follow_the_order_of_the_words_after_padding_and_unknown(tokenizer):
    ids, mask = tokenizer.encode("put the milk in the basket")
    assert ids.dtype == np.int64
    assert mask.dtype == bool
    assert ids.tolist() == [2, 3, 4, 5, 3, 6, 0, 0]
    assert mask.tolist() == [True] * 6 + [False] * 2
    assert tokenizer.vocabulary_size == len(WORDS) + 2


def test_case_punctuation_and_spaces_do_not_matter(tokenizer):
    plain, _ = tokenizer.encode("put the milk in the basket")
    other, _ = tokenizer.encode("  Put the MILK,  in the basket.\n")
    assert plain.tolist() == other.tolist()


def test_a_word_that_is_not_in_the_vocabulary_is_unknown(tokenizer):
    ids, mask = tokenizer.encode("put banana")
    assert ids[:2].tolist() == [2, 1]
    assert mask.sum() == 2


def test_a_long_instruction_is_cut_on_the_right(tokenizer):
    ids, mask = tokenizer.encode("milk " + "the " * 20)
    assert ids.tolist() == [4] + [3] * 7
    assert mask.all()


@pytest.mark.parametrize("text", ["", "   \n", "...", "?!"])
def test_an_instruction_without_words_is_refused(tokenizer, text):
    with pytest.raises(QuantVLAError, match="instruction"):
        tokenizer.encode(text)


def test_padding_in_the_file_does_not_change_the_length():
    data = json.loads(build_word_tokenizer(WORDS))
    data["padding"] = {
        "strategy": {"Fixed": 30},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 5,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    data["truncation"] = {
        "direction": "Left",
        "max_length": 1,
        "strategy": "LongestFirst",
        "stride": 0,
    }
    ids, _ = Tokenizer(json.dumps(data), 4).encode("put the")
    assert ids.tolist() == [2, 3, 0, 0]


def test_the_same_words_give_the_same_file():
    assert build_word_tokenizer(WORDS * 2) == build_word_tokenizer(WORDS)


@pytest.mark.parametrize("word", ["two words", "Upper", "semi;colon", ""])
def test_a_word_that_could_never_be_found_is_refused(word):
    with pytest.raises(ValueError, match="not one word"):
        build_word_tokenizer([word])


def test_text_that_is_no_tokenizer_is_refused():
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        Tokenizer("{}", 4)


def test_what_a_caller_does_to_tokens_reaches_no_later_one(tokenizer):
    ids, mask = tokenizer.encode("put milk")
    ids[:], mask[:] = 9, True
    again, read = tokenizer.encode("put milk")
    assert again.tolist() == [2, 4, 0, 0, 0, 0, 0, 0]
    assert read.sum() == 2
    assert tokenizer.encode("put milk", "left")[0].tolist() == [0, 0, 0, 0, 0, 0, 2, 4]
