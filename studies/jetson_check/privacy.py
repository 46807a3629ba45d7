# SPDX-License-Identifier: Apache-2.0
"""What a record that is sent to others must not tell: who its owner is, and where files lie."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

_NOT_TOLD = frozenset({"cache", "domain", "DDS profile", "python"})
"""What the doctor tells of a user's own set-up; of Python, which kernel it runs on."""


def told(result: Any) -> Any:
    """A result without what the doctor says of a user's own set-up."""
    if isinstance(result, dict) and "checks" in result:
        checks = [check for check in result["checks"] if check["name"] not in _NOT_TOLD]
        return {**result, "checks": checks}
    return result


def without_names(value: Any, folder: Path) -> Any:
    """The same with neither this machine's name nor a user's, nor where their files lie.

    Args:
        value: as JSON has it.
        folder: of the check.
    """
    if isinstance(value, Mapping):
        return {key: without_names(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [without_names(each, folder) for each in value]
    if not isinstance(value, str):
        return value
    for place, word in ((folder.resolve(), "."), (Path(__file__).parents[2], "SOURCE")):
        value = value.replace(str(place), word)
    value = re.sub(r"/(home|root|Users)(/[\w.-]+)?", "HOME", value)
    for name, word in ((socket.gethostname(), "HOST"), (_user(), "USER")):
        if name:
            value = re.sub(rf"\b{re.escape(name)}\b", word, value)
    return value


def _user() -> str:
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return ""
