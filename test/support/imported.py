# SPDX-License-Identifier: Apache-2.0
"""What becomes of a golden checkpoint that an importer read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import load_file, save_file

from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.checkpoints.options import Imported
from quantvla_ros.errors import CheckpointError
from quantvla_ros.models.build import empty_network

_FOLDERS = []


def checked(found: Imported | None) -> Imported:
    """An import whose weights were compared with its network."""
    assert found is not None
    found.weights.check(empty_network(found.manifest).state_dict())
    return found


def assert_tensors_are_counted(file: Path, prefix: str, needed: str, read: Callable[[], object]):
    """A tensor too many in a checkpoint's file, and one too few (`needed`), are refused by name."""
    tensors = load_file(file)
    save_file({**tensors, f"{prefix}odd.weight": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"holds tensor 'odd.weight'"):
        read()
    tensors.pop(prefix + needed)
    save_file(tensors, file)
    with pytest.raises(CheckpointError, match=f"lacks tensor '{needed}'"):
        read()


def saved(found: Imported) -> Path:
    """A float bundle of it, which lies there until the process ends."""
    _FOLDERS.append(TemporaryDirectory())
    path = Path(_FOLDERS[-1].name) / "float"
    return save_bundle(path, found.manifest, found.weights, found.tokenizer_json)
