# SPDX-License-Identifier: Apache-2.0
"""Waiting for events in tests: always for something, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")

BUSY = 6.0  # so many times longer than an idle machine a busy one may take


class MachineLateError(AssertionError):
    """This machine was measured to be too slow for the program; the test is run once more."""


class Witness(Protocol):
    """A program under test that can say what went on when a test fails."""

    def said(self) -> str:
        """What it said last, for the report."""
        ...

    def excuse(self) -> str:
        """How this machine, and not the program, is at fault for what is wrong now; or nothing."""
        ...


witnesses: list[Witness] = []
"""They are asked while a test waits, so that a stall is seen while it is fresh, and at its end."""


def excuse() -> str:
    """The first excuse that any of them has."""
    return next(filter(None, [witness.excuse() for witness in witnesses]), "")


def patient(seconds: float) -> float:
    """A time-out, for what takes less than so long on an idle machine: only a failure costs it."""
    return BUSY * seconds


def wait_until(
    predicate: Callable[[], T], timeout: float, what: str | Callable[[], str] = "the event"
) -> T:
    """Poll until the predicate is true and return its value.

    It fails after `timeout` seconds of an idle machine. `what` may be a function, asked then.
    """
    deadline = time.monotonic() + patient(timeout)
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what if isinstance(what, str) else what()
            told = f"{what} did not come within {patient(timeout):g} s"
            late = excuse()
            last = "\n".join([told, *(witness.said() for witness in witnesses)])
            raise MachineLateError(f"{late}; {last}") if late else AssertionError(last)
        excuse()
        time.sleep(0.005)
