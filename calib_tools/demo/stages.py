# SPDX-License-Identifier: Apache-2.0
"""The stages of the demo on the terminal, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from calib_tools.common.progress import Report


class Stages:
    """Shows numbered stages with a moving line of text; keeps their durations.

    Attributes:
        durations_s: stage name -> seconds.
    """

    def __init__(self, total: int) -> None:
        """Expect so many stages."""
        from rich.console import Console

        self._console = Console(stderr=True)
        self._total = total
        self._number = 0
        self.durations_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, title: str) -> Iterator[Report]:
        """Run one stage; the function given takes a line about what happens now."""
        self._number += 1
        label = f"[{self._number}/{self._total}] {title}"
        start = time.monotonic()
        with self._console.status(_escape(label)) as status:
            if not self._console.is_terminal:
                self._console.print(_escape(label), highlight=False)
            last = ""

            def report(text: str) -> None:
                nonlocal last
                last = text
                spent = time.monotonic() - start
                status.update(f"{_escape(label)}  [dim]{spent:.0f} s  {_escape(text)}[/]")

            yield report
        spent = time.monotonic() - start
        self.durations_s[name] = spent
        self._console.print(
            f"{_escape(label)}  [green]done[/] in {spent:.1f} s  [dim]{_escape(last)}[/]",
            highlight=False,
        )


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
