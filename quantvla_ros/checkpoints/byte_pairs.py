# SPDX-License-Identifier: Apache-2.0
"""vocab.json and merges.txt (GPT-2's and Qwen's layout) as a tokenizer.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from quantvla_ros.checkpoints.checkpoint import read_json
from quantvla_ros.errors import CheckpointError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY, MERGES = "vocab.json", "merges.txt"
_CONFIG, _ADDED = "tokenizer_config.json", "added_tokens.json"

_QWEN_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen 2 and 3 cut a text before merging (tokenizer.json of Qwen2-0.5B, pre_tokenizer)."""


def byte_pair_tokenizer(folder: Path) -> str:
    """Make the text of tokenizer.json.

    Args:
        folder: with vocab.json, merges.txt and, for the kind of the tokenizer and its special
            tokens, tokenizer_config.json.

    Raises:
        CheckpointError: a file is missing or damaged, or the tokenizer is of another kind.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    config = read_json(folder / _CONFIG)
    kind = str(config.get("tokenizer_class", "")).removesuffix("Fast")
    vocabulary = read_json(folder / VOCABULARY)
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=_merges(folder / MERGES)))
    except Exception as error:  # the library raises a bare Exception
        raise CheckpointError(
            f"{folder / VOCABULARY} and {MERGES} do not fit each other ({error}); download them "
            "again"
        ) from error
    if kind == "GPT2Tokenizer":
        spaced = bool(config.get("add_prefix_space", False))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=spaced)
    elif kind == "Qwen2Tokenizer":
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_QWEN_PIECES), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        raise CheckpointError(
            f"{folder / _CONFIG} is of tokenizer_class '{kind}', of which only GPT2Tokenizer and "
            "Qwen2Tokenizer are made from vocab.json; give tokenizer.json with --tokenizer PATH"
        )
    tokenizer.decoder = decoders.ByteLevel()
    _add_tokens(tokenizer, config, folder)
    return str(tokenizer.to_str())


def _merges(file: Path) -> list[tuple[str, str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [line for line in lines if line and not line.startswith("#version")]
        return [(left, right) for left, right in (row.split(" ") for row in rows)]
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file} is no list of merges ({error}); download it again"
        ) from error


def _add_tokens(tokenizer: Tokenizer, config: Any, folder: Path) -> None:
    """Add the tokens that are not in vocab.json, by their numbers."""
    from tokenizers import AddedToken

    listed: dict[int, Any] = {int(k): v for k, v in config.get("added_tokens_decoder", {}).items()}
    if not listed and (folder / _ADDED).is_file():
        found = read_json(folder / _ADDED)
        listed = {int(number): {"content": text, "special": True} for text, number in found.items()}
    for number, said in sorted(listed.items()):
        content = str(said["content"])
        flags = {k: bool(said.get(k, False)) for k in ("single_word", "lstrip", "rstrip")}
        token = AddedToken(
            content,
            normalized=bool(said.get("normalized", False)),
            special=bool(said.get("special", False)),
            **flags,
        )
        tokenizer.add_tokens([token])
        if tokenizer.token_to_id(content) != number:
            raise CheckpointError(
                f"token '{content}' of {folder / _CONFIG} should have number {number} and would "
                f"have {tokenizer.token_to_id(content)}; give tokenizer.json with --tokenizer PATH"
            )
