# SPDX-License-Identifier: Apache-2.0
"""Two texts of different sources: one that everything is chosen by, one that judges."""

from __future__ import annotations

import hashlib
import platform
import pydoc_data.topics
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from studies.language_model.environment import NEWS, package_folder

WINDOW = 512  # tokens
CALIBRATION, CHOICE, EVALUATION = 12, 1, 20  # windows


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
    """Both texts, each window from another place of its text.

    Raises:
        QuantVLAError: the package with the unseen text is not installed.
    """
    topics = pydoc_data.topics.topics
    own = "\n".join(topics[key] for key in sorted(topics))
    unseen = (package_folder(NEWS) / "test/test_data/lee_background.cor").read_text("utf-8")
    spread, every = _spread(tokenizer, own, CALIBRATION + CHOICE), CALIBRATION // CHOICE + 1
    choice = spread[::every]
    calibration = [window for i, window in enumerate(spread) if i % every]
    about = {
        "calibration": {
            "source": f"the help texts of Python {platform.python_version()} (pydoc_data.topics)",
            "sha256": _sha256(own),
            "tokens": len(calibration) * WINDOW,
            "tokens_of_the_choice": len(choice) * WINDOW,
        },
        "evaluation": {
            "source": f"news (the Lee background corpus in {NEWS})",
            "sha256": _sha256(unseen),
            "tokens": EVALUATION * WINDOW,
        },
    }
    return Texts(calibration, choice, _spread(tokenizer, unseen, EVALUATION), about)


def _spread(tokenizer: Any, text: str, count: int) -> list[Tensor]:
    """Windows that lie evenly over the whole text."""
    ids: Tensor = tokenizer(text, return_tensors="pt").input_ids[0]
    whole = ids[: len(ids) // WINDOW * WINDOW].reshape(-1, 1, WINDOW)
    return [whole[i * len(whole) // count] for i in range(count)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
