# SPDX-License-Identifier: Apache-2.0
"""Progress on the terminal: to standard error, so that `--json` output stays clean."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from typing_extensions import Self

Report = Callable[[str], None]
"""Takes a line about what happens now."""

_REDRAW_S = 0.1
_LINE_S = 2.0


class _Patient:
    """Standard error that may break: nobody who stops reading the progress loses the work by it.

    Ctrl-C also ends a `tee` behind the command, and a closed terminal refuses every write.
    """

    def __getattr__(self, name: str) -> Any:
        """Whatever else standard error has."""
        return getattr(sys.stderr, name)

    def write(self, text: str) -> int:
        """Write; a closed reader is ignored."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush; a closed reader is ignored."""
        with suppress(OSError):
            sys.stderr.flush()


class Bar:
    """A progress bar on a terminal; a line every few seconds in a log file."""

    def __init__(self, title: str, total: float) -> None:
        """Prepare a bar that is full at `total`."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._console = Console(file=cast(IO[str], _Patient()))
        self._live = self._console.is_terminal
        self._total = total
        self._last = 0.0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[text]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._live,
        )
        self._task = self._progress.add_task(title, total=total, text="")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Leave the bar as it is."""
        self._progress.stop()

    def show(self, done: float, text: str) -> None:
        """Redraw, at most ten times a second."""
        now = time.monotonic()
        if now - self._last < (_REDRAW_S if self._live else _LINE_S) and done < self._total:
            return
        self._last = now
        self._progress.update(self._task, completed=min(done, self._total), text=text)
        if not self._live:
            share = min(1.0, done / self._total)
            self._console.print(f"{100 * share:3.0f}% {text}", markup=False)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False)
