# SPDX-License-Identifier: Apache-2.0
"""The golden ACT checkpoint, imported."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from support.imported import checked, saved
from support.imported_groot import observation as observation
from support.imported_groot import robot
from support.parity import golden

from quantvla_ros.checkpoints.checkpoint import open_checkpoint
from quantvla_ros.checkpoints.options import Imported, ImportOptions
from quantvla_ros.models.act_policy.importer import import_act

NAME = "act"
SIZES: dict = {}
"""The tensors and config.json tell all sizes."""


def options(**changes) -> ImportOptions:
    """Those of an import of the golden checkpoint."""
    return ImportOptions(**{"robot": robot("groot"), "rate": 10.0, **changes})


def made(path: Path | None = None, **changes) -> Imported:
    """A checkpoint, else the golden one, imported and compared with its network."""
    return checked(import_act(open_checkpoint(path or golden(NAME).path), options(**changes)))


@cache
def imported() -> Path:
    """A float bundle of the golden checkpoint, imported once."""
    return saved(made())
