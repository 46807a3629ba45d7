# SPDX-License-Identifier: Apache-2.0
"""What becomes of a golden checkpoint that an importer read."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.checkpoints.options import Imported
from quantvla_ros.models.build import empty_network

_FOLDERS = []


def checked(found: Imported | None) -> Imported:
    """An import whose weights were compared with its network."""
    assert found is not None
    found.weights.check(empty_network(found.manifest).state_dict())
    return found


def saved(found: Imported) -> Path:
    """A float bundle of it, which lies there until the process ends."""
    _FOLDERS.append(TemporaryDirectory())
    path = Path(_FOLDERS[-1].name) / "float"
    return save_bundle(path, found.manifest, found.weights, found.tokenizer_json)
