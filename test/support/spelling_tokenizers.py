# SPDX-License-Identifier: Apache-2.0
"""Tokenizers that spell whatever they are given, so that no word is unknown to them."""

from __future__ import annotations

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors

from quantvla_ros.bundle.tokenizer import Tokenizer


def byte_tokenizer(length=64, end=True):
    """Byte level BPE without merges, as GPT's: every text has tokens, none is unknown."""
    letters = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {token: i for i, token in enumerate([*sorted(letters), "<end>"])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if end:
        tokenizer.add_special_tokens(["<end>"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="$A <end>", special_tokens=[("<end>", vocabulary["<end>"])]
        )
    return Tokenizer(tokenizer.to_str(), length)


def fallback_tokenizer(length=64):
    """BPE as SentencePiece's: an unknown token that never comes, for bytes stand in its place."""
    names = ["<unk>", *(f"<0x{i:02X}>" for i in range(256)), *"abcdefghijklmnopqrstuvwxyz "]
    vocabulary = {token: i for i, token in enumerate(names)}
    model = models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True)
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.decoder = decoders.ByteFallback()
    return Tokenizer(tokenizer.to_str(), length)
