# SPDX-License-Identifier: Apache-2.0
"""Directories that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quantvla_ros.errors import OutputExistsError, QuantVLAError

_PROBE_BYTES = 4096


def check_writable(out: Path) -> None:
    """Refuse an output that cannot be written, before any work is done.

    Folders that are missing are made, a few bytes are written beside `out`, and all is removed
    again: rights, read-only disks, full ones and too long names show in no other way.

    Raises:
        QuantVLAError: names the place and why.
    """
    out = out.absolute()
    probe = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.new")
    made: list[Path] = []
    try:
        for folder in reversed(probe.parents):
            if not os.path.lexists(folder):
                folder.mkdir()
                made.append(folder)
        probe.write_bytes(bytes(_PROBE_BYTES))
    except OSError as error:
        place = out.parent if error.filename in (None, str(probe)) else error.filename
        raise QuantVLAError(
            f"'{out}' cannot be written ({place}: {error.strerror}); give another place"
        ) from error
    finally:
        with suppress(OSError):
            probe.unlink()
        for folder in reversed(made):
            with suppress(OSError):  # somebody else has put something there
                folder.rmdir()


def prepare_output(out: Path, force: bool) -> None:
    """Refuse an output directory that may not or cannot be written, before any work is done.

    Raises:
        OutputExistsError: `out` exists and `force` is not given, is no directory, or holds the
            working directory or the home directory.
        QuantVLAError: see `check_writable`.
    """
    if os.path.lexists(out):
        _check_replaceable(out, force)
    check_writable(out)


def _check_replaceable(out: Path, force: bool) -> None:
    if not out.is_dir():
        raise OutputExistsError(f"{out} exists and is no directory; give another output directory")
    if not force:
        raise OutputExistsError(
            f"output directory {out} exists; give another one, or --force to replace it whole"
        )
    target = out.resolve()
    for kept in (Path.cwd(), Path(os.path.expanduser("~"))):
        if target in (kept.resolve(), *kept.resolve().parents):
            raise OutputExistsError(
                f"output directory {out} holds {kept}, which --force would delete; give another one"
            )


@contextmanager
def written_directory(out: Path, force: bool) -> Iterator[Path]:
    """Give a temporary sibling to write to; it becomes `out` when the block ends well.

    An old `out` is moved aside first and deleted last, so that at every moment a complete
    directory exists under one of the names. When the block raises, nothing remains.

    Raises:
        QuantVLAError: see `prepare_output`.
    """
    prepare_output(out, force)
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    fresh = out.with_name(f".{out.name}.{mark}.new")
    fresh.mkdir()
    try:
        yield fresh
        if os.path.lexists(out):  # since the work began, perhaps
            _check_replaceable(out, force)
        _swap(fresh, out, out.with_name(f".{out.name}.{mark}.old"))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, out: Path, aside: Path) -> None:
    if not out.exists():
        os.replace(fresh, out)
        return
    os.replace(out, aside)
    try:
        os.replace(fresh, out)
    except BaseException:
        os.replace(aside, out)
        raise
    shutil.rmtree(aside, ignore_errors=True)
