# SPDX-License-Identifier: Apache-2.0
"""Which chunk is executed when: the path that they make, and when the next one is due."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.crossfade import Crossfade
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.stopping import StoppingPath
from quantvla_ros.control.timeline import ChunkTimeline, Hold, Path

_SLOWER = (1.0, 1.5, 2.0)
"""Stops along the path are tried at these multiples of stop_s before braking without it."""
_RETREATS = (1.0, 1.5, 2.0, 3.0, 4.0)
"""Likewise of stops that go back to where the arm is."""


def reserve_s(config: MotionConfig, period_s: float) -> float:
    """How much of a chunk (s) is kept for the slowest stop along it."""
    return config.stop_s * max(_SLOWER) / 2 + 2 * period_s


class ChunkSchedule:
    """The path made of the chunks that came; times in s of the ROS clock.

    Attributes:
        path: what is asked for from now on, None when nothing is.
        late: number of chunks that came after all their rows were due.
    """

    def __init__(
        self,
        config: MotionConfig,
        period_s: float,
        speeds: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take the tuning, the control period, and see `MotionController` for ``speeds``."""
        self.path: Path | None = None
        self.late = 0
        self._config = config
        self._speeds = speeds
        self._reserve_s = reserve_s(config, period_s)
        self._end: float | None = None
        self._take_over = 0.0
        self._pending: tuple[FloatArray, float, float] | None = None
        self._stop_at: FloatArray | None = None

    @property
    def end(self) -> float | None:
        """When the last row of the chunk in execution is due; None without one."""
        return self._end

    def forget(self) -> None:
        """No path, no chunk."""
        self.path = self._end = self._pending = self._stop_at = None

    def offer(self, points: FloatArray, stamp: float, dt: float) -> None:
        """Keep a good chunk [H, n] until the next tick."""
        self._pending = (points, stamp, dt)

    def refuse_pending(self) -> None:
        """Drop a chunk that no tick has taken yet."""
        self._pending = None

    def take(self, first: float) -> float | None:
        """Splice the chunk that waits into the path from ``first`` on.

        Returns:
            How far it is there (rad or m) from the chunk before it; None if no two chunks met.
        """
        if self._pending is None:
            return None
        points, stamp, dt = self._pending
        self._pending = None
        if stamp + len(points) * dt <= first:
            self.late += 1
            return None
        new = ChunkTimeline(points, stamp, dt, first)
        gap = None
        if self.path is None:
            self.path = new
        else:
            if self._end is not None:
                at = np.array([first])
                between = self.path.sample(at).position - new.sample(at).position
                gap = float(np.abs(between).max())
            self.path = Crossfade(self.path, new, first, self._config.blend_s)
        self._end = new.end
        self._take_over = first + self._config.execute_steps * dt
        return gap

    def hold(self, position: FloatArray) -> None:
        """Forget every chunk and stay at ``position`` [n] until the next one."""
        self.forget()
        self.path = Hold(position)

    def drop(self, first: float) -> None:
        """Let the path come to a stop and expect a new chunk."""
        self._pending = None
        if self._end is not None and self.path is not None:
            self._end = None
            self.path = StoppingPath(self.path, first, self._config.stop_s, self._speeds)

    def runs_out(self, first: float) -> bool:
        """Whether the chunk leaves no more time than the slowest stop along it covers."""
        return self._end is not None and self._end - first < self._reserve_s

    def wants(self, now: float, latency_s: float) -> bool:
        """Whether to ask for a chunk that takes ``latency_s`` to come."""
        if self._pending is not None:
            return False
        if self._end is None:
            return True
        done = min(self._take_over, self._end - self._reserve_s)
        return now >= done - latency_s - self._config.request_margin_s

    def prune(self, now: float) -> None:
        """Drop the chunks that are over."""
        if self.path is not None:
            self.path = self.path.pruned(now)

    def stops(self, first: float) -> Iterator[Path]:
        """Ways to stop along the path, quickest first; each is made when it is tried.

        After `stop_at` they end there.
        """
        if self.path is None:
            return
        for slower in _SLOWER if self._stop_at is None else _RETREATS:
            duration = self._config.stop_s * slower
            along = StoppingPath(self.path, first, duration, self._speeds)
            if self._stop_at is None:
                yield along
                continue
            rest = along.sample(np.array([along.end])).position[0]
            rest = np.where(np.isnan(self._stop_at), rest, self._stop_at)
            yield Crossfade(along, Hold(rest), first, duration)

    def stop_at(self, position: FloatArray) -> None:
        """Let stops end at ``position`` [n]; where it is NaN they end along the path."""
        self._stop_at = position

    @property
    def retreats(self) -> bool:
        """Whether a stop goes somewhere else than along the path."""
        return self._stop_at is not None
