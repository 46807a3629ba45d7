# SPDX-License-Identifier: Apache-2.0
"""The tokenizer.json of a checkpoint, from whatever files there are.

LeRobot below 0.6.2 stores a tokenizer's name alone, newer versions its files. What is read, first
what the user gives: tokenizer.json; a sentencepiece model; vocab.json with merges.txt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quantvla_ros.checkpoints.byte_pairs import MERGES, VOCABULARY, byte_pair_tokenizer
from quantvla_ros.checkpoints.checkpoint import Checkpoint
from quantvla_ros.checkpoints.pipeline_step import Step
from quantvla_ros.checkpoints.sentencepiece import sentencepiece_tokenizer
from quantvla_ros.errors import CheckpointError

TOKENIZER = "tokenizer.json"


def find_tokenizer(
    checkpoint: Checkpoint, given: Path | None, step: Step | None = None, named: str = ""
) -> str:
    """The text of tokenizer.json.

    Args:
        checkpoint: that may have it beside its weights.
        given: by the user, a file or a folder; it wins.
        step: of the pipeline that tokenizes; it may have the folder, or only the name.
        named: name on the hub where no step tells it.

    Raises:
        CheckpointError: there is none, or it cannot be read; says where to get it.
    """
    if given is not None:
        return read_tokenizer(given)
    artifact = step.artifacts.get("tokenizer_name") if step is not None else None
    for folder in (artifact, checkpoint.path):
        if folder is not None and _content(folder) is not None:
            return read_tokenizer(folder)
    name = (str(step.raw.get("tokenizer_name") or "") if step is not None else "") or named
    where = step.where if step is not None else str(checkpoint.path)
    raise CheckpointError(
        f"{where} stores only the name of its tokenizer, '{name}', and not its files; download "
        f"tokenizer.json (hf download {name} tokenizer.json; some repositories want a licence to "
        "be accepted first) and give it with --tokenizer PATH"
    )


def read_tokenizer(path: Path) -> str:
    """The text of tokenizer.json from a file or a folder.

    Args:
        path: tokenizer.json, a sentencepiece ``.model``, or a folder with one of them or with
            vocab.json and merges.txt.

    Raises:
        CheckpointError: there is nothing of these, or it is damaged.
    """
    found = _content(path)
    if found is None:
        raise CheckpointError(
            f"{path} is neither tokenizer.json, nor a sentencepiece .model, nor a folder with one "
            "of them or with vocab.json and merges.txt; give the path of one with --tokenizer PATH"
        )
    if found.name == VOCABULARY:
        return byte_pair_tokenizer(found.parent)
    if found.suffix == ".model":
        return sentencepiece_tokenizer(found)
    import tokenizers

    try:
        text = found.read_text(encoding="utf-8")
        tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises a bare Exception
        raise CheckpointError(
            f"{found} is no tokenizer ({str(error).splitlines()[0]}); download it again"
        ) from error
    return text


def _content(path: Path) -> Path | None:
    """The file that a tokenizer is read from; None: there is none."""
    if path.is_file():
        return path if path.suffix in (".json", ".model") else None
    if (path / TOKENIZER).is_file():
        return path / TOKENIZER
    models: Sequence[Path] = sorted(path.glob("*.model"))
    if models:
        return models[0]
    if (path / VOCABULARY).is_file() and (path / MERGES).is_file():
        return path / VOCABULARY
    return None
