# SPDX-License-Identifier: Apache-2.0
"""Texts of different sources: some that everything is chosen by, and one that judges.

A fixed range cuts off what calibration never reached. With the help texts alone most of what the
ranges cost the gates on other kinds of text was cut off, so calibration has texts of several kinds.
"""

from __future__ import annotations

import hashlib
import platform
import pydoc_data.topics
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from studies.language_model.environment import NEWS, package_folder

WINDOW = 512  # tokens
OF_EACH_KIND, EVALUATION = 5, 20  # windows
CHOICE = 7  # of the windows for calibration, the one that float layers are chosen by


@dataclass(frozen=True)
class Texts:
    """Windows of tokens, int64 [1, WINDOW] each.

    Attributes:
        calibration: inputs are observed on them.
        choice: layers that stay float are chosen by them.
        evaluation: of another kind and source; nothing is chosen by them.
        about: sources, hashes and sizes, for the record.
    """

    calibration: list[Tensor]
    choice: list[Tensor]
    evaluation: list[Tensor]
    about: dict[str, Any]


def read_texts(tokenizer: Any) -> Texts:
    """All texts, each window from another place of its text.

    Raises:
        QuantVLAError: the package with most of the texts is not installed.
    """
    kinds = {
        f"the help texts of Python {platform.python_version()} (pydoc_data.topics)": _help(),
        f"film reviews (in {NEWS})": _labelled("pang_lee_polarity.cor", "alldata-id-10.txt"),
        f"articles of an encyclopedia (in {NEWS})": _read("para2para_text1.txt")
        + _read("para2para_text2.txt"),
    }
    windows = [w for text in kinds.values() for w in _spread(tokenizer, text, OF_EACH_KIND)]
    choice = [windows.pop(CHOICE)]
    unseen = _read("lee_background.cor")
    about = {
        "calibration": {
            "source": ", ".join(kinds),
            "sha256": _sha256("".join(kinds.values())),
            "tokens": len(windows) * WINDOW,
            "tokens_of_the_choice": len(choice) * WINDOW,
        },
        "evaluation": {
            "source": f"news (the Lee background corpus in {NEWS})",
            "sha256": _sha256(unseen),
            "tokens": EVALUATION * WINDOW,
        },
    }
    return Texts(windows, choice, _spread(tokenizer, unseen, EVALUATION), about)


def _help() -> str:
    topics = pydoc_data.topics.topics
    return "\n".join(topics[key] for key in sorted(topics))


def _read(name: str, encoding: str = "utf-8") -> str:
    """A text of those that the package's tests use."""
    return (package_folder(NEWS) / "test/test_data" / name).read_text(encoding)


def _labelled(*names: str) -> str:
    """Texts whose every line begins with a label, without the labels."""
    lines = [line for name in names for line in _read(name, "cp1252").splitlines()]
    return "\n".join(line.partition(" ")[2] for line in lines)


def _spread(tokenizer: Any, text: str, count: int) -> list[Tensor]:
    """Windows that lie evenly over the whole text."""
    ids: Tensor = tokenizer(text, return_tensors="pt").input_ids[0]
    whole = ids[: len(ids) // WINDOW * WINDOW].reshape(-1, 1, WINDOW)
    return [whole[i * len(whole) // count] for i in range(count)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
