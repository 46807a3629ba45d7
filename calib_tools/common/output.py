# SPDX-License-Identifier: Apache-2.0
"""What commands write: JSON records, and directories in which long work goes on after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import OutputExistsError, QuantVLAError
from quantvla_ros.whole_file import write_file

_PLAN = "plan.json"
_REMOVE = "remove the file, and the same command makes it again"


def check_file_free(path: Path, force: bool) -> None:
    """Refuse an output file that exists or cannot be written, before the work for it begins.

    Raises:
        OutputExistsError: it is a directory, or exists and `force` is False.
        QuantVLAError: see `check_writable`.
    """
    if path.is_dir():
        raise OutputExistsError(f"'{path}' is a directory; give the name of a file.")
    if path.exists() and not force:
        raise OutputExistsError(f"'{path}' exists; choose another name, or --force to replace it.")
    check_writable(path)


def claim_directory(out: Path, plan: Mapping[str, Any]) -> None:
    """Begin long work in a directory, or go on with the same work there.

    Args:
        out: directory.
        plan: what is done there; its "kind" names the command.

    Raises:
        OutputExistsError: the directory holds something else.
        QuantVLAError: it cannot be written, or its plan is damaged.
    """
    path = out / _PLAN
    if path.is_file():
        check_writable(path)
        if read_json(path) != plan:
            raise OutputExistsError(
                f"'{out}' holds work on another bundle or buffer; choose another --out."
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(
            f"'{out}' exists and was not begun by `{plan['kind']}`; choose another --out."
        )
    check_writable(path)
    write_json(path, plan)


def write_json(path: Path, content: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write a JSON file whole, replacing what was there."""
    write_file(path, json_text(content))


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote.

    Raises:
        QuantVLAError: the file is damaged or cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QuantVLAError(f"'{path}' cannot be read ({error}); {_REMOVE}") from error
    if not isinstance(content, dict):
        raise QuantVLAError(f"'{path}' holds no record; {_REMOVE}")
    return content


def json_text(content: Mapping[str, Any] | Sequence[Any]) -> str:
    """Content of a JSON file, one value a line."""
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
