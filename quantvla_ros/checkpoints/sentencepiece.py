# SPDX-License-Identifier: Apache-2.0
"""Sentencepiece models as a tokenizer.json that gives the same tokens.

A model is a protocol buffer (sentencepiece's src/sentencepiece_model.proto, numbers below from
there); its few fields are read here, so that a robot needs no sentencepiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import models

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3  # of ModelProto
_TEXT, _SCORE, _KIND = 1, 2, 3  # of a piece
_NORMAL, _UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6  # kinds of pieces
_MODEL, _SUFFIX, _FALLBACK, _BOS = 3, 24, 35, 41  # of TrainerSpec
_CHARACTERS, _PREFIX, _EXTRA, _ESCAPE = 2, 3, 4, 5  # of NormalizerSpec
_UNIGRAM, _BPE = 1, 2
_SPACE = "\u2581"


@dataclass(frozen=True)
class _Spec:
    """What a model says of itself; sentencepiece's defaults where it says nothing."""

    pieces: list[tuple[str, float, int]]
    model: int
    fallback: bool
    bos: int
    characters: bytes
    prefix: bool
    collapse: bool

    def of_kind(self, *kinds: int) -> list[str]:
        return [text for text, _, kind in self.pieces if kind in kinds]


def sentencepiece_tokenizer(file: Path) -> str:
    """Make the text of tokenizer.json.

    Args:
        file: sentencepiece model of type BPE, as PaliGemma's is.

    Raises:
        CheckpointError: it is damaged, or does what tokenizer.json cannot say.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, processors

    try:
        spec = _read(file.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, IndexError, struct.error) as error:
        raise CheckpointError(
            f"{file} is no sentencepiece model ({error}); download it again"
        ) from error
    _check(file, spec)
    tokenizer = Tokenizer(_bpe(spec))
    tokenizer.normalizer = _normalizer(spec)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    # Found in the text as it is normalized, the longest first, before anything is merged.
    for text in spec.of_kind(_USER):
        tokenizer.add_tokens([AddedToken(text, normalized=True, special=False)])
    if spec.bos >= 0:
        token = spec.pieces[spec.bos][0]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{token} $A", special_tokens=[(token, spec.bos)]
        )
    return str(tokenizer.to_str())


def _check(file: Path, spec: _Spec) -> None:
    """Refuse what would give other tokens than sentencepiece."""
    odd = ""
    if spec.model != _BPE:
        odd = "is not of model type BPE"
    elif spec.characters:
        odd = "replaces characters before it splits"
    elif spec.of_kind(_UNUSED):
        odd = "has unused pieces"
    elif spec.prefix and spec.of_kind(_USER):
        odd = "puts a space before a text and has pieces of the user's"
    elif len(spec.of_kind(_UNKNOWN)) != 1:
        odd = "has not exactly one unknown piece"
    if odd:
        raise CheckpointError(
            f"{file} {odd}, which is not converted; give tokenizer.json with --tokenizer PATH"
        )


def _bpe(spec: _Spec) -> models.BPE:
    """Pairs in the order in which sentencepiece prefers them: by the score of what they make."""
    from tokenizers import models

    vocabulary = {text: number for number, (text, _, _) in enumerate(spec.pieces)}
    made = {text: score for text, score, kind in spec.pieces if kind == _NORMAL}
    parts = set(made)
    pairs = [
        (-score, vocabulary[text[:cut]], vocabulary[text[cut:]], text[:cut], text[cut:])
        for text, score in made.items()
        for cut in range(1, len(text))
        if text[:cut] in parts and text[cut:] in parts
    ]
    return models.BPE(
        vocab=vocabulary,
        merges=[(left, right) for *_, left, right in sorted(pairs)],
        unk_token=spec.of_kind(_UNKNOWN)[0],
        fuse_unk=True,
        byte_fallback=spec.fallback,
    )


def _normalizer(spec: _Spec) -> Any:
    from tokenizers import Regex, normalizers

    steps: list[Any] = []
    if spec.collapse:
        steps += [
            normalizers.Replace(Regex(r"\A +| +\z"), ""),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    if spec.prefix:
        steps.append(normalizers.Prepend(_SPACE))
    steps.append(normalizers.Replace(" ", _SPACE))
    return normalizers.Sequence(steps)


def _read(data: bytes) -> _Spec:
    pieces = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    for number, value in _fields(data):
        if number == _PIECES:
            piece = dict(_fields(value))
            pieces.append(
                (
                    piece[_TEXT].decode(),
                    struct.unpack("<f", piece[_SCORE])[0] if _SCORE in piece else 0.0,
                    int(piece.get(_KIND, _NORMAL)),
                )
            )
        elif number == _TRAINER:
            trainer = dict(_fields(value))
        elif number == _NORMALIZER:
            normalizer = dict(_fields(value))
    if not pieces:
        raise ValueError("it has no pieces")
    if not normalizer.get(_ESCAPE, 1) or trainer.get(_SUFFIX, 0):
        raise ValueError("it treats spaces in a way that is not known here")
    bos = int(trainer.get(_BOS, 1))
    return _Spec(
        pieces=pieces,
        model=int(trainer.get(_MODEL, _UNIGRAM)),
        fallback=bool(trainer.get(_FALLBACK, 0)),
        bos=bos if bos < len(pieces) else -1,
        characters=bytes(normalizer.get(_CHARACTERS, b"")),
        prefix=bool(normalizer.get(_PREFIX, 1)),
        collapse=bool(normalizer.get(_EXTRA, 1)),
    )


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message: an int, or bytes for everything else."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size = 4 if wire == 5 else 8 if wire == 1 else None
        if wire == 2:
            size, at = _varint(data, at)
        if size is None or at + size > len(data):
            raise ValueError("a field is cut off or of an unknown kind")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            # Negative numbers are written as 64 bits.
            return (value - (1 << 64) if value >> 63 else value), at
        if shift > 63:
            raise ValueError("a number is too long")
