# SPDX-License-Identifier: Apache-2.0
"""Keeps simulation time beside wall-clock time."""

from __future__ import annotations

import time

MAX_BACKLOG_S = 0.2
"""Longer delays are lost instead of caught up: a burst of stale physics helps nobody."""

CATCH_UP = 1.25
"""Simulated seconds per wanted one while a delay is caught up: faster, and the commands of nodes
that take their time from /clock would come too late for a controller that is already further."""


class Pacer:
    """Says when the next tick of the simulation is due.

    A tick that took too long (rendering, other programs) is caught up by the ones after it.
    """

    def __init__(self, real_time_factor: float, now: float) -> None:
        """Start at `now` (s, steady clock); a factor of 0 means as fast as possible."""
        self._factor = real_time_factor
        self.lost_s = 0.0
        self.restart(now)

    def set_real_time_factor(self, real_time_factor: float) -> None:
        """Change the factor from the next tick on."""
        self._factor = real_time_factor

    def restart(self, now: float) -> None:
        """Forget any backlog: the simulation did not run until `now`."""
        self._deadline = now

    def deadline(self, tick_s: float, began: float, now: float) -> float:
        """Return when the next tick starts, s of the steady clock like all times here.

        Args:
            tick_s: simulation time of the tick that has just ended.
            began: when it began.
            now: when it ended.
        """
        if self._factor == 0.0:
            self.restart(now)
            return now
        wall_s = tick_s / self._factor
        self._deadline += wall_s
        behind = now - self._deadline
        if behind > MAX_BACKLOG_S:
            self.lost_s += behind
            self._deadline = now
        return max(self._deadline, began + wall_s / CATCH_UP)


class RateMeter:
    """Measures the real-time factor between two readings."""

    def __init__(self, simulation_time: float) -> None:
        """Start at this simulation time, s."""
        self._start = (simulation_time, time.monotonic())

    def read(self, simulation_time: float) -> float:
        """Return simulated seconds per second since the last reading."""
        now = time.monotonic()
        before, since = self._start
        self._start = (simulation_time, now)
        return (simulation_time - before) / max(now - since, 1e-9)
