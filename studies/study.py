# SPDX-License-Identifier: Apache-2.0
"""What the commands of all studies share: their common options, how one runs, its record."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from calib_tools.common.cores import usable_cores
from calib_tools.common.failures import told
from calib_tools.common.output import check_file_free, write_json
from calib_tools.common.progress import Report
from calib_tools.common.record_file import command_line, read_record_file
from calib_tools.common.stopping import Stopped, say, stops_on_signals
from calib_tools.common.tables import markdown_grid, show_grids
from quantvla_ros.bundle.directory import check_writable

SCHEMA = 1


def bare_parser(kind: str, text: str, example: str) -> argparse.ArgumentParser:
    """A parser without options; `kind` is the study's module."""
    return argparse.ArgumentParser(
        prog=kind, description=text, epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip


def study_parser(kind: str, text: str, example: str) -> argparse.ArgumentParser:
    """A parser with the options of a study that writes one record; see `bare_parser`."""
    parser = bare_parser(kind, text, example)
    logs = Path(f"{_name(kind)}_logs")
    parser.add_argument("--out", type=Path, required=True, help="file for the record")
    parser.add_argument("--logs", type=Path, default=logs, help="directory for processes' logs")
    parser.add_argument("--force", action="store_true", help="replace an older record")
    return parser


@contextmanager
def study_command(kind: str) -> Iterator[None]:
    """Let a study end as every command does.

    Raises:
        SystemExit: it could not be done (1) or a signal stopped it (128 + its number); one
            sentence says why.
    """
    try:
        with stops_on_signals(), told(_name(kind)):
            yield
    except Stopped as stop:
        say(f"{_name(kind)}: {stop.text}.")
        raise


def run_study(
    kind: str,
    options: argparse.Namespace,
    arguments: Sequence[str] | None,
    measure: Callable[[Report], dict[str, Any]],
) -> dict[str, Any]:
    """Measure and write the record; a study that is stopped writes nothing.

    Args:
        kind: the study's module.
        options: what its `study_parser` made.
        arguments: of its command line; `sys.argv` when None or empty.
        measure: returns what the record says beside kind, schema, command and machine.

    Raises:
        SystemExit: it could not be done (1) or a signal stopped it (128 + its number); one
            sentence says why.
    """
    with study_command(kind):
        check_file_free(options.out, options.force)
        check_writable(options.logs / "log")
        machine = _machine()
        try:
            found = measure(lambda text: print(text, file=sys.stderr, flush=True))
        except Stopped as stop:
            stop.text += "; nothing was written"
            raise
        command = command_line("python", "-m", kind, arguments=arguments)
        about = {"kind": kind, "schema": SCHEMA, "command": command, "machine": machine}
        record = {**about, **found}
        write_json(options.out, record)
    return record


Grid = tuple[str, list[str], list[list[str]]]
"""A table: its title, its head, its rows."""


def grids_text(lines: Sequence[str], grids: Sequence[Grid]) -> str:
    """A record in Markdown: a line, its tables that have rows, and more lines."""
    shown = [markdown_grid(head, rows) for _, head, rows in grids if rows]
    return "\n\n".join(filter(None, [lines[0], *shown, *lines[1:]]))


def show_record(
    record: Mapping[str, Any],
    as_json: bool,
    lines: Sequence[str],
    grids: Sequence[Grid],
    path: Path,
) -> None:
    """Print a record as JSON, or its tables, its lines, and where it was written."""
    if as_json:
        print(json.dumps(record, indent=2))
        return
    show_grids(*grids)
    text = "\n".join(filter(None, [*lines, f"Record: {path}"]))
    Console().print(text, markup=False, highlight=False)


def read_study(path: Path, kind: str) -> dict[str, Any]:
    """Read a study's record.

    Raises:
        QuantVLAError: it is missing, damaged, something else, or of another version.
    """
    return read_record_file(path, kind, SCHEMA, f"python -m {kind}", "run the study again")


def _name(kind: str) -> str:
    return kind.rpartition(".")[2]


def _machine() -> dict[str, Any]:
    """What a record says of the machine."""
    from quantvla_ros.backends.registry import DEFAULT, find_backend

    return {
        "cpu": find_backend(DEFAULT).target(),
        "cores": usable_cores(),
        "load": os.getloadavg()[0],
    }
