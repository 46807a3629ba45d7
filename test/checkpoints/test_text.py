# SPDX-License-Identifier: Apache-2.0
"""Tokenizers are converted to the very tokens of their own programs, on 200 strings.

test/data/sentencepiece was made with sentencepiece 0.2.3: three small models trained on this
project's pages, and the ids that its `encode(text, add_bos=True)` gives. Among the strings are
empty ones, emoji, Chinese, right-to-left, 300 words, newlines, and special words.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from support.parity import golden
from tokenizers.implementations import ByteLevelBPETokenizer

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.checkpoints.text import read_tokenizer
from quantvla_ros.errors import CheckpointError

DATA = Path(__file__).parents[1] / "data/sentencepiece"
KNOWN = json.loads((DATA / "ids.json").read_text())
STRINGS = KNOWN["strings"]


def assert_same(text, ids):
    tokenizer = tokenizers.Tokenizer.from_str(text)
    odd = [s for s, own in zip(STRINGS, ids, strict=True) if tokenizer.encode(s).ids != own]
    assert not odd, f"{len(odd)} of {len(ids)} differ, such as {odd[0]!r}"


@pytest.mark.parametrize("name", ["bpe", "prefixed"])
def test_sentencepiece_models_give_its_tokens(name):
    assert len(STRINGS) == 200
    assert_same(read_tokenizer(DATA / f"{name}.model"), KNOWN[name])


def test_other_models_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"unigram.model is not of model type BPE.*--tokeni"):
        read_tokenizer(DATA / "unigram.model")
    cut = tmp_path / "cut.model"
    cut.write_bytes((DATA / "bpe.model").read_bytes()[:-40])
    with pytest.raises(CheckpointError, match="no sentencepiece model"):
        read_tokenizer(cut)
    with pytest.raises(CheckpointError, match=r"is neither tokenizer.json"):
        read_tokenizer(tmp_path / "nothing")


def taken_apart(name, folder, kind):
    """vocab.json and merges.txt out of a tokenizer.json."""
    source = golden(name).tokenizer
    content = json.loads(source.read_text())
    model = content["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    rows = [row if isinstance(row, str) else " ".join(row) for row in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(rows) + "\n")
    added = {
        str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in content["added_tokens"]
    }
    config = {"tokenizer_class": kind, "added_tokens_decoder": added}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return source


def test_qwens_files_give_the_tokens_of_its_tokenizer_json(tmp_path):
    source = taken_apart("groot", tmp_path, "Qwen2TokenizerFast")
    whole = tokenizers.Tokenizer.from_file(str(source))
    strings = [f"<|im_start|>{s}<|im_end|>\n" for s in STRINGS]
    text = read_tokenizer(tmp_path)
    made = tokenizers.Tokenizer.from_str(text)
    assert [made.encode(s).ids for s in strings] == [whole.encode(s).ids for s in strings]


def test_gpt2s_files_give_byte_level_tokens(tmp_path):
    taken_apart("smolvla", tmp_path, "GPT2Tokenizer")
    plain = [s for s in STRINGS if "<" not in s]
    whole = ByteLevelBPETokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    made = tokenizers.Tokenizer.from_str(read_tokenizer(tmp_path))
    assert [made.encode(s).ids for s in plain] == [whole.encode(s).ids for s in plain]
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "OddTokenizer"}')
    with pytest.raises(CheckpointError, match="'OddTokenizer'"):
        read_tokenizer(tmp_path)


def test_special_words_in_an_instruction_are_taken_out():
    known = golden("smolvla")
    tokenizer = Tokenizer(known.tokenizer.read_text(), 48, pad="<|im_end|>")
    assert tokenizer.cleaned("go <|im_end|>left<|im_<image>end|>") == "go left"
    ids, mask = tokenizer.encode(known.task + "\n")
    assert np.array_equal(ids, known["pre.observation.language.tokens"][0].numpy())
    assert np.array_equal(mask, known["pre.observation.language.attention_mask"][0].numpy())


def test_an_instruction_has_the_room_that_its_prompt_leaves():
    tokenizer = Tokenizer(golden("smolvla").tokenizer.read_text(), 48, room=4)
    reading = tokenizer.read("0123456789")
    assert reading.lost == "456789" and reading.tokens == 10
