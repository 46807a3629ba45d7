# SPDX-License-Identifier: Apache-2.0
"""Instructions to tokens, by whatever `tokenizer.json` says."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Regex, models, normalizers, pre_tokenizers

from quantvla_ros.errors import BundleError, QuantVLAError

PAD, UNKNOWN = "<pad>", "<unk>"


class Tokenizer:
    """A Hugging Face tokenizer with a fixed length.

    Attributes:
        json: the text of `tokenizer.json`.
        max_length: tokens of every encoding.
    """

    def __init__(self, json: str, max_length: int) -> None:
        """Read the tokenizer.

        Raises:
            BundleError: `json` is no tokenizer.
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(json)
        except Exception as error:  # the library raises a bare Exception
            raise BundleError(f"tokenizer.json cannot be read ({error})") from error
        self.json, self.max_length = json, max_length
        # Lengths are the bundle's, not those that a training script left in the file.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, direction="right")
        self._pad = self._tokenizer.token_to_id(PAD) or 0

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, added ones included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Tokenize an instruction; what is longer than `max_length` is cut on the right.

        Returns:
            Ids int64 [max_length], padded on the right, and a mask bool [max_length] that is true
            where a token is.

        Raises:
            QuantVLAError: the instruction has no token.
        """
        if not text.strip():
            raise QuantVLAError("the instruction is empty; publish a sentence for the policy")
        tokens = self._tokenizer.encode(text).ids
        if not tokens:
            raise QuantVLAError(f"the instruction '{text}' holds no word; publish a sentence")
        ids = np.full(self.max_length, self._pad, dtype=np.int64)
        ids[: len(tokens)] = tokens
        return ids, np.arange(self.max_length) < len(tokens)


def build_word_tokenizer(words: Iterable[str]) -> str:
    """The text of a word-level `tokenizer.json`: lower case, punctuation ignored.

    Args:
        words: vocabulary; ids follow its order from 2 on, after `<pad>` and `<unk>`.

    Raises:
        ValueError: an entry is not one word in that form, so that it could never be found.
    """
    vocabulary = {PAD: 0, UNKNOWN: 1}
    for word in words:
        if not word.isalnum() or word != word.lower():
            raise ValueError(f"'{word}' is not one word in lower case")
        vocabulary.setdefault(word, len(vocabulary))
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocab=vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    # The library orders a vocabulary anew at every run; sorted by id the file is reproducible.
    data = json_module.loads(tokenizer.to_str())
    vocab = data["model"]["vocab"]
    data["model"]["vocab"] = dict(sorted(vocab.items(), key=lambda item: int(item[1])))
    return json_module.dumps(data, ensure_ascii=False, indent=1)
