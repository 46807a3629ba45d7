# SPDX-License-Identifier: Apache-2.0
"""The switch from an old path to a new one, without a jump up to the acceleration."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.timeline import Path, PathState


def smoothstep(u: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """0 -> 1 over u in [0, 1] with two derivatives by u, both zero at both ends (quintic)."""
    u = np.clip(u, 0.0, 1.0)
    value = u**3 * (10 - u * (15 - 6 * u))
    slope = 30 * u**2 * (1 - u) ** 2
    curvature = 60 * u * (1 - u) * (1 - 2 * u)
    return value, slope, curvature


class Crossfade:
    """``old`` until ``start``, ``new`` from ``start + duration`` on, a C2 mix between (s)."""

    def __init__(self, old: Path, new: Path, start: float, duration: float) -> None:
        """Take both paths and when the mix begins, and how long it takes."""
        self._old = old
        self._new = new
        self._start = start
        self._duration = duration

    @property
    def end(self) -> float:
        """When both the mix is over and the new path only holds."""
        return max(self._new.end, self._start + self._duration)

    def sample(self, times: FloatArray) -> PathState:
        """State at ``times`` [K]."""
        old, new = self._old.sample(times), self._new.sample(times)
        u = (times - self._start)[:, None] / self._duration
        w, dw, ddw = smoothstep(u)
        dw, ddw = dw / self._duration, ddw / self._duration**2
        dp, dv, da = (n - o for n, o in zip(new, old, strict=True))
        return PathState(
            old.position + w * dp,
            old.velocity + dw * dp + w * dv,
            old.acceleration + ddw * dp + 2 * dw * dv + w * da,
        )

    def pruned(self, now: float) -> Path:
        """Only the new path once the mix is over."""
        if now >= self._start + self._duration:
            return self._new.pruned(now)
        return Crossfade(self._old.pruned(now), self._new.pruned(now), self._start, self._duration)
