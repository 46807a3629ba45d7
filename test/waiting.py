# SPDX-License-Identifier: Apache-2.0
"""Waiting for events in tests: always for something, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    predicate: Callable[[], T], timeout: float, what: str | Callable[[], str] = "the event"
) -> T:
    """Poll until the predicate is true and return its value; fail after `timeout` seconds.

    `what` may be a function, asked when the time is over.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            what = what if isinstance(what, str) else what()
            raise AssertionError(f"{what} did not come within {timeout} s")
        time.sleep(0.005)
