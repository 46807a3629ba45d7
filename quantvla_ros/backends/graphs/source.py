# SPDX-License-Identifier: Apache-2.0
"""Which code a network's graph comes from, for what is kept of it between runs."""

from __future__ import annotations

import hashlib
import inspect
from functools import cache
from pathlib import Path

import torch
from torch import nn

from quantvla_ros.errors import QuantVLAError


def source_hash(network: nn.Module) -> str:
    """Hash of the source of this package and of all modules of a network, hex.

    A family may be of another package; its folder counts.

    Raises:
        OSError: a module's class stands in no file.
    """
    package = Path(inspect.getfile(QuantVLAError)).parent
    library = Path(inspect.getfile(torch)).parent
    folders = {package}
    for kind in {type(module) for module in network.modules()}:
        file = Path(inspect.getfile(kind))
        if not file.is_relative_to(library) and not file.is_relative_to(package):
            folders.add(file.parent)
    digest = hashlib.sha256()
    for folder in sorted(folders):
        digest.update(_folder_hash(folder))
    return digest.hexdigest()


@cache
def _folder_hash(folder: Path) -> bytes:
    """A start asks for it once a graph; what this process has imported does not change."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()
