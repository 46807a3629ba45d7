# SPDX-License-Identifier: Apache-2.0
"""What records have in common: the command that wrote them, and how one is read again."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quantvla_ros.errors import QuantVLAError


def command_line(*program: str, arguments: Sequence[str] | None = None) -> list[str]:
    """The command as a user types it; of absolute paths the last name, the rest is this machine's.

    Args:
        program: how it is started; `quantvla`, or `python -m MODULE`, when not given.
        arguments: what follows; `sys.argv` when None or empty.
    """
    words = arguments or sys.argv[1:]
    said = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return [*(program or _program()), *said]


def _program() -> list[str]:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = "" if spec is None else spec.name.removesuffix(".__main__")
    inside = not module or module.startswith("calib_tools.")
    return ["quantvla"] if inside else ["python", "-m", module]


def read_record_file(
    path: Path, kind: str, schema: int, command: str, way_out: str
) -> dict[str, Any]:
    """Read a record.

    Args:
        path: the file.
        kind: what its `kind` must be.
        schema: what its `schema` must be.
        command: that writes such records, for the message.
        way_out: what to do about another version, for the message.

    Raises:
        QuantVLAError: it is missing, damaged, something else, or of another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise QuantVLAError(f"The record '{path}' cannot be read: {error}.") from error
    if not isinstance(content, dict) or content.get("kind") != kind:
        raise QuantVLAError(f"'{path}' is no record of `{command}`.")
    if content.get("schema") != schema:
        raise QuantVLAError(
            f"The record '{path}' has schema {content.get('schema')} and this package knows "
            f"{schema}; {way_out}."
        )
    return content
