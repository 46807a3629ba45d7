# SPDX-License-Identifier: Apache-2.0
"""Instructions to tokens, by whatever `tokenizer.json` says."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Regex, models, normalizers, pre_tokenizers

from quantvla_ros.errors import BundleError, QuantVLAError

PAD, UNKNOWN = "<pad>", "<unk>"
Tokens = tuple[NDArray[np.int64], NDArray[np.bool_]]


@dataclass(frozen=True)
class Reading:
    """The tokens of a text before truncation and padding.

    Attributes:
        tokens: how many there are, special ones and those behind the cut included.
        pieces: how many of them stand for a piece of the text.
        unknown: the pieces of the text that have no token of their own.
        lost: the end of the text, which `Tokenizer.encode` cuts off; empty for none.
    """

    tokens: int
    pieces: int
    unknown: tuple[str, ...]
    lost: str


class Tokenizer:
    """A Hugging Face tokenizer with a fixed length."""

    def __init__(
        self,
        json: str,
        max_length: int,
        pad: str | None = None,
        room: int | None = None,
        reads: bool = True,
    ) -> None:
        """Read the tokenizer.

        Args:
            json: text of tokenizer.json.
            max_length: tokens that are read.
            pad: token of the places behind or before them; else ``<pad>``, else number 0.
            room: tokens that an instruction may have, where a prompt around it needs others.
            reads: whether the policy reads instructions at all.

        Raises:
            BundleError: `json` is no tokenizer, or has no token `pad`.
        """
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(json)
        except Exception as error:  # the library raises a bare Exception
            raise BundleError(f"tokenizer.json cannot be read ({error})") from error
        self.json, self.max_length, self.reads = json, max_length, reads
        self.room = max_length if room is None else room
        # Lengths are the bundle's, not those that a training script left in the file.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length, direction="right")
        if pad is not None and self._tokenizer.token_to_id(pad) is None:
            raise BundleError(f"tokenizer.json has no token '{pad}', with which prompts are padded")
        self._pad = self._tokenizer.token_to_id(pad or PAD) or 0
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._last: tuple[tuple[str, str], Tokens] | None = None  # instructions seldom change
        self._special = [token.content for token in added if token.special and token.content]

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, added ones included."""
        return int(self._tokenizer.get_vocab_size())

    @property
    def reads_words(self) -> bool:
        """Whether every token is a word, so that a word which was never trained is unknown.

        Tokenizers of bytes or of parts of words spell whatever they are given.
        """
        return isinstance(self._tokenizer.model, models.WordLevel)

    def read(self, text: str) -> Reading:
        """Tell how much of an instruction reaches the policy.

        Raises:
            QuantVLAError: the tokenizer has no token at all for a part of the text.
        """
        try:
            first = self._tokenizer.encode(text)
        except Exception as error:  # the library raises a bare Exception
            raise QuantVLAError(f"the instruction '{text}' cannot be read ({error})") from error
        kept, behind = _pieces(first), [p for more in first.overflowing for p in _pieces(more)]
        pieces = kept + behind
        read = max(0, self.room - (len(first.ids) - len(kept)))
        name = getattr(self._tokenizer.model, "unk_token", None) or UNKNOWN
        unknown = self._tokenizer.token_to_id(name)
        return Reading(
            tokens=len(first.ids) + len(behind),
            pieces=len(pieces),
            unknown=tuple(text[a:b] for token, (a, b) in pieces if token == unknown),
            lost=text[min(a for _, (a, _) in pieces[read:]) :].strip() if pieces[read:] else "",
        )

    def cleaned(self, text: str) -> str:
        """A text without the words that the tokenizer would read as special tokens.

        Whoever says "<eos>" to a robot must not end its prompt.
        """
        while found := [token for token in self._special if token in text]:
            for token in found:
                text = text.replace(token, "")
        return text

    def text(self, ids: NDArray[np.int64]) -> str:
        """What tokens say, special ones included; runs of a special one are counted.

        Args:
            ids: tokens in their order, no padding.
        """
        parts, plain = [], []
        for token, run in groupby(ids.tolist()):
            count = len(list(run))
            if count == 1 or self._tokenizer.id_to_token(token) not in self._special:
                plain += [token] * count
                continue
            parts += [self._decoded(plain), f"{self._decoded([token])} x {count} "]
            plain = []
        return "".join([*parts, self._decoded(plain)])

    def _decoded(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def encode(self, text: str, padding: Literal["left", "right"] = "right") -> Tokens:
        """Tokenize an instruction; what is longer than `max_length` is cut on the right.

        Returns:
            Ids int64 [max_length], padded, and a mask bool [max_length] that is true where a token
            is.

        Raises:
            QuantVLAError: the instruction has no token.
        """
        asked, last = (text, padding), self._last
        if last is None or last[0] != asked:
            last = self._last = asked, self._encode(*asked)
        ids, mask = last[1]
        return ids.copy(), mask.copy()

    def _encode(self, text: str, padding: Literal["left", "right"]) -> Tokens:
        if not text.strip():
            raise QuantVLAError("the instruction is empty; publish a sentence for the policy")
        tokens = self._tokenizer.encode(text).ids
        if not tokens:
            raise QuantVLAError(f"the instruction '{text}' holds no word; publish a sentence")
        ids = np.full(self.max_length, self._pad, dtype=np.int64)
        mask = np.arange(self.max_length) < len(tokens)
        mask = mask if padding == "right" else mask[::-1].copy()
        ids[mask] = tokens
        return ids, mask


def _pieces(part: tokenizers.Encoding) -> list[tuple[int, tuple[int, int]]]:
    """Ids and places in the text; special tokens, such as one for the end, stand for nothing."""
    rows = zip(part.ids, part.offsets, part.special_tokens_mask, strict=True)
    return [(token, span) for token, span, special in rows if not special]


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
