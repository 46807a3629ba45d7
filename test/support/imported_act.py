# SPDX-License-Identifier: Apache-2.0
"""The golden ACT checkpoint, imported."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from support.imported_groot import observation as observation
from support.imported_groot import robot
from support.parity import golden

from quantvla_ros.bundle.storage import save_bundle
from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.act_policy.importer import import_act
from quantvla_ros.models.build import empty_network

NAME = "act"
SIZES: dict = {}
"""The tensors and config.json tell all sizes."""
_FOLDERS = []


def options(**changes) -> ImportOptions:
    """Those of an import of the golden checkpoint."""
    return ImportOptions(**{"robot": robot("groot"), "rate": 10.0, **changes})


def made(path: Path | None = None, **changes) -> Imported:
    """A checkpoint, else the golden one, imported and compared with its network."""
    found = import_act(open_checkpoint(path or golden(NAME).path), options(**changes))
    assert found is not None
    found.weights.check(empty_network(found.manifest).state_dict())
    return found


@cache
def imported() -> Path:
    """A float bundle of the golden checkpoint, imported once."""
    found = made()
    _FOLDERS.append(TemporaryDirectory())
    path = Path(_FOLDERS[-1].name) / "float"
    return save_bundle(path, found.manifest, found.weights, found.tokenizer_json)
