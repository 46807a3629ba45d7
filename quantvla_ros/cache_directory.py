# SPDX-License-Identifier: Apache-2.0
"""Where this user keeps what can be made again: an engine that was built, the scene."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from quantvla_ros.errors import QuantVLAError

_PACKAGE = "quantvla_ros"


def cache_directory(part: str = "", executable: bool = False) -> Path:
    """A folder that exists and can be written.

    It is ``$XDG_CACHE_HOME/quantvla_ros``, by default ``~/.cache/quantvla_ros``. Where that cannot
    be used (no home, a read-only disk), it is a folder of this user beside the temporary files.

    Args:
        part: name of a folder within.
        executable: whether code is loaded from it, which a ``noexec`` mount forbids.

    Raises:
        QuantVLAError: neither can be used; the sentence names the variable that mends it.
    """
    why = why_not_at_home(part, executable)
    home = _home_cache()
    if home is not None and not why:
        return home / part
    try:
        temporary = Path(tempfile.gettempdir()) / f"{_PACKAGE}-{os.geteuid()}"
        why_not = _why_not_private(temporary) or why_unusable(temporary / part, executable)
    except OSError as error:  # there is no folder for temporary files either
        raise _no_place(why, str(error.strerror), executable) from error
    if why_not:
        raise _no_place(why, f"'{temporary}' {why_not}", executable)
    return temporary / part


def why_not_at_home(part: str = "", executable: bool = False) -> str:
    """Why the folder that is wanted first cannot be used; empty when it can."""
    home = _home_cache()
    if home is None:
        return "there is no home directory"
    why = why_unusable(home / part, executable)
    return f"'{home}' {why}" if why else ""


def why_unusable(folder: Path, executable: bool = False) -> str:
    """Why nothing can be kept in a folder, which is made; words to follow its name, or none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        noexec = os.statvfs(folder).f_flag & os.ST_NOEXEC
    except OSError as error:
        return f"cannot be written ({error.strerror})"
    return "is mounted noexec" if noexec and executable else ""


def _home_cache() -> Path | None:
    base = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))
    return base / _PACKAGE if base.is_absolute() else None  # "~" stays where nobody knows a home


def _why_not_private(folder: Path) -> str:
    """Another user who can write there could make this process run his code."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return "" if ours and not found.st_mode & 0o022 else "belongs to another user"


def _no_place(first: str, second: str, executable: bool) -> QuantVLAError:
    return QuantVLAError(
        f"There is no folder for files that are kept between runs: {first}, {second}; set "
        f"XDG_CACHE_HOME to a folder that can be written{' and executed' if executable else ''}."
    )
