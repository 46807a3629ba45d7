# SPDX-License-Identifier: Apache-2.0
"""Two texts of different sources: one that everything is chosen by, one that judges."""

from __future__ import annotations

import hashlib
import platform
import pydoc_data.topics
import subprocess
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from quantvla_ros.errors import QuantVLAError
from studies.language_model.environment import ROOT

COMMIT = "307ab4650cf9"  # of this project, whose documentation at that time is the unseen text
FOLDERS = ("docs/explanation", "docs/how-to")
CHARACTERS = 60_000
WINDOW = 512  # tokens
CALIBRATION, CHOICE, EVALUATION = 12, 1, 20  # windows


@dataclass(frozen=True)
class Texts:
    """Windows of tokens, int64 [1, WINDOW] each.

    Attributes:
        calibration: inputs are observed on them.
        choice: layers that stay float are chosen by them.
        evaluation: unseen by both.
        about: sources, hashes and sizes, for the record.
    """

    calibration: list[Tensor]
    choice: list[Tensor]
    evaluation: list[Tensor]
    about: dict[str, Any]


def read_texts(tokenizer: Any) -> Texts:
    """Both texts.

    Raises:
        QuantVLAError: the project's history is not there.
    """
    topics = pydoc_data.topics.topics
    own, unseen = "\n".join(topics[key] for key in sorted(topics)), _documentation()
    windows = _windows(tokenizer, own)
    spread = windows[:: len(windows) // (CALIBRATION + CHOICE)]
    calibration, choice = spread[:CALIBRATION], spread[CALIBRATION : CALIBRATION + CHOICE]
    about = {
        "calibration": {
            "source": f"the help texts of Python {platform.python_version()} (pydoc_data.topics)",
            "sha256": _sha256(own),
            "tokens": CALIBRATION * WINDOW,
            "tokens_of_the_choice": CHOICE * WINDOW,
        },
        "evaluation": {
            "source": f"{' and '.join(FOLDERS)} of this project at {COMMIT}",
            "sha256": _sha256(unseen),
            "tokens": EVALUATION * WINDOW,
        },
    }
    return Texts(calibration, choice, _windows(tokenizer, unseen)[:EVALUATION], about)


def _documentation() -> str:
    def git(*words: str) -> str:
        try:
            command = ["git", "-C", str(ROOT), *words]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise QuantVLAError(
                f"the unseen text is this project's documentation at commit {COMMIT}, which "
                "its git history does not hold here; take a whole clone"
            ) from error

    names = git("ls-tree", "-r", "--name-only", COMMIT, *FOLDERS).split()
    pages = [git("show", f"{COMMIT}:{name}") for name in names if name.endswith(".md")]
    return "\n".join(pages)[:CHARACTERS]


def _windows(tokenizer: Any, text: str) -> list[Tensor]:
    ids: Tensor = tokenizer(text, return_tensors="pt").input_ids[0]
    whole = ids[: len(ids) // WINDOW * WINDOW]
    return list(torch.reshape(whole, (-1, 1, WINDOW)))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
