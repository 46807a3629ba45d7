# SPDX-License-Identifier: Apache-2.0
"""Whether a policy can know what an instruction says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantvla_ros.bundle.tokenizer import Tokenizer
from quantvla_ros.errors import QuantVLAError

MAX_INSTRUCTION_BYTES = 512
"""Longest instruction, in UTF-8, that is handed to a policy."""
_SHOWN = 60
_SHOWN_INSTRUCTIONS = 3


@dataclass(frozen=True)
class Judgement:
    """One sentence without a full stop for each thing that is wrong; empty where nothing is.

    Attributes:
        unreadable: the policy would not get all of the instruction.
        unknown: it gets all of it, but nothing says that it knows what it means.
        doubtful: it does not know some of the words.
    """

    unreadable: str = ""
    unknown: str = ""
    doubtful: str = ""

    @property
    def refusal(self) -> str:
        """Why no arm should move by it; empty when one may."""
        return self.unreadable or self.unknown


def shortened(text: str) -> str:
    """Return a text as it is quoted in a sentence: in one line, and not too long."""
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3].rstrip()}..."


def too_long(text: str) -> str:
    """Say in one sentence that an instruction is longer than a policy is ever given; or nothing."""
    size = len(text.encode(errors="replace"))
    if size <= MAX_INSTRUCTION_BYTES:
        return ""
    return (
        f"the instruction '{shortened(text)}' has {size} bytes and at most "
        f"{MAX_INSTRUCTION_BYTES} are allowed; shorten it"
    )


class InstructionCheck:
    """Judges instructions for one policy.

    A tokenizer of whole words shows the words that the policy was never trained on. Every other one
    spells any language, so there only the instructions that the policy was calibrated on are known.
    A policy that reads none takes any for the sign that it may move.
    """

    def __init__(self, tokenizer: Tokenizer, calibrated: Sequence[str] = ()) -> None:
        """Take the policy's tokenizer and, where they are known, the calibrated instructions."""
        self._tokenizer = tokenizer
        self._calibrated = tuple(calibrated)
        self._known = {self._tokens(text) for text in calibrated}

    def judge(self, text: str) -> Judgement:
        """Judge one instruction; an empty one is no instruction, and nothing is wrong with it."""
        text = text.strip()
        if not text:
            return Judgement()
        if long := too_long(text):
            return Judgement(unreadable=long)
        if not self._tokenizer.reads:
            return Judgement()
        try:
            reading = self._tokenizer.read(text)
        except QuantVLAError as error:
            return Judgement(unreadable=str(error))
        if not reading.pieces:
            return Judgement(unreadable=f"the instruction '{shortened(text)}' holds no word")
        if reading.lost:
            return Judgement(
                unreadable=(
                    f"the instruction has {reading.tokens} tokens and the policy reads "
                    f"{self._tokenizer.room}, so that '{shortened(reading.lost)}' would be "
                    "lost; shorten it"
                )
            )
        words = ", ".join(map(shortened, dict.fromkeys(reading.unknown)))
        kind = "words" if self._tokenizer.reads_words else "pieces"
        if 2 * len(reading.unknown) > reading.pieces:
            return Judgement(
                unknown=(
                    f"the policy knows {reading.pieces - len(reading.unknown)} of "
                    f"{reading.pieces} {kind} of the instruction '{shortened(text)}' (unknown: "
                    f"{words}); use words that it was trained on"
                )
            )
        listed = self._tokenizer.reads_words or not self._known or self._tokens(text) in self._known
        if not listed:
            return Judgement(unknown=self._other(text))
        if words:
            return Judgement(doubtful=f"the policy does not know these {kind}: {words}")
        return Judgement()

    def _tokens(self, text: str) -> tuple[int, ...]:
        """Texts that the policy reads alike are the same instruction."""
        return tuple(self._tokenizer.encode(text)[0].tolist())

    def _other(self, text: str) -> str:
        named = [f"'{shortened(known)}'" for known in self._calibrated[:_SHOWN_INSTRUCTIONS]]
        more = len(self._calibrated) - len(named)
        return (
            f"the instruction '{shortened(text)}' is none that the policy was calibrated on, and "
            f"nothing else tells whether it knows it; it was calibrated on {', '.join(named)}"
            f"{f' and {more} more' if more else ''}"
        )
