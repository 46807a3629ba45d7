# SPDX-License-Identifier: Apache-2.0
"""Files that are there whole or not at all: written beside their place, then renamed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quantvla_ros.errors import OutputExistsError


def check_file_free(path: Path, force: bool) -> None:
    """Refuse an output file that exists, before the work for it begins.

    Raises:
        OutputExistsError: it is a directory, or exists and `force` is False.
    """
    if path.is_dir():
        raise OutputExistsError(f"'{path}' is a directory; give the name of a file.")
    if path.exists() and not force:
        raise OutputExistsError(f"'{path}' exists; choose another name, or --force to replace it.")


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file whole, replacing what was there."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole, replacing what was there."""
    write_file(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
