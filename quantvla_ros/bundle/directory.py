# SPDX-License-Identifier: Apache-2.0
"""Directories that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantvla_ros.errors import OutputExistsError


def prepare_output(out: Path, force: bool) -> None:
    """Refuse an output directory that may not be written, before any work is done.

    Args:
        out: directory to be written.
        force: replace it when it exists.

    Raises:
        OutputExistsError: `out` exists and `force` is not given, is no directory, or holds the
            working directory or the home directory.
    """
    if not os.path.lexists(out):
        return
    if not out.is_dir():
        raise OutputExistsError(f"{out} exists and is no directory; give another output directory")
    if not force:
        raise OutputExistsError(
            f"output directory {out} exists; give another one, or --force to replace it whole"
        )
    target = out.resolve()
    for kept in (Path.cwd(), Path.home()):
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
        OutputExistsError: see `prepare_output`.
    """
    prepare_output(out, force)
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    fresh = out.with_name(f".{out.name}.{mark}.new")
    fresh.mkdir()
    try:
        yield fresh
        prepare_output(out, force)
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
