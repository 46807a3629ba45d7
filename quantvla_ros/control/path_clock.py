# SPDX-License-Identifier: Apache-2.0
"""The rate at which a path's time runs: slowing it to zero stops the arm ALONG its path."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.splicer import smoothstep
from quantvla_ros.control.timeline import Hold, Path, PathState


class Slowed:
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
