# SPDX-License-Identifier: Apache-2.0
"""The two clocks of a session, as a node or a simulation has them."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The ROS clock, which may jump or stand, and a steady one; both in s.

    A simulation that is faster than real time gives its own time for both, and `sleep_until` is
    what moves it on.
    """

    def now(self) -> float:
        """The ROS clock, which stamps and windows are of."""
        ...

    def steady(self) -> float:
        """The steady clock, which timeouts are of."""
        ...

    def sleep_until(self, steady: float) -> None:
        """Return at a time of the steady clock, or at once when that is over."""
        ...
