# SPDX-License-Identifier: Apache-2.0
"""Paths that come to rest: their clock slows to zero, so that the arm stops along them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.crossfade import Crossfade, smoothstep
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.timeline import Hold, Path, PathState


class SlowedPath:
    """``path`` whose clock's rate falls smoothly from 1 at ``start`` to 0 after ``duration`` (s).

    The rate is a quintic smoothstep, so the slowed path stays C2. It covers half of ``duration`` of
    the path's own time, then stands still.
    """

    def __init__(self, path: Path, start: float, duration: float) -> None:
        """Take the path and when its clock begins and ends to slow."""
        self._path = path
        self._start = start
        self._duration = duration

    @property
    def end(self) -> float:
        """When the clock stands."""
        return self._start + self._duration

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        u = np.clip((times - self._start) / self._duration, 0.0, 1.0)
        fall, slope, _ = smoothstep(u)
        covered = u - u**4 * (2.5 - u * (3 - u))
        own = np.minimum(times, self._start) + self._duration * covered
        rate, rate_change = (1 - fall)[:, None], (-slope / self._duration)[:, None]
        position, velocity, acceleration = self._path.sample(own)
        return PathState(position, rate * velocity, rate**2 * acceleration + rate_change * velocity)

    def pruned(self, now: float) -> Path:
        """Only the point where it stands once its clock has stopped."""
        if now >= self.end:
            return Hold(self.sample(np.array([self.end])).position[0])
        return self


class StoppingPath:
    """``path`` that comes to rest after ``duration`` (s) from ``start`` on.

    Axes that are positions are slowed along the path; those that are ``speeds`` [n] fade to zero.
    """

    def __init__(
        self, path: Path, start: float, duration: float, speeds: NDArray[np.bool_] | None
    ) -> None:
        """Take the path, when its end begins and how long it takes."""
        self._slowed = SlowedPath(path, start, duration)
        self._faded: tuple[NDArray[np.bool_], Path] | None = None
        if speeds is not None:
            zero = Hold(np.zeros(len(speeds)))
            self._faded = (speeds, Crossfade(path, zero, start, duration))

    @property
    def end(self) -> float:
        """When it rests."""
        return self._slowed.end

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        slowed = self._slowed.sample(times)
        if self._faded is None:
            return slowed
        speeds, faded = self._faded
        pairs = zip(faded.sample(times), slowed, strict=True)
        return PathState(*(np.where(speeds, one, other) for one, other in pairs))

    def pruned(self, now: float) -> Path:
        """Only the point where it rests once it has ended."""
        if now >= self.end:
            return Hold(self.sample(np.array([self.end])).position[0])
        return self
