# SPDX-License-Identifier: Apache-2.0
"""What the motion was like: the figures that diagnostics and reports show."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.window import Window

_SAME_S = 1e-6


class MotionMetrics:
    """Largest values over everything published since construction.

    Velocities, accelerations and jerks are those of a controller's setpoints: of the quintics that
    it goes on, from each window until the next one departs from it.
    """

    def __init__(self, limits: JointLimits) -> None:
        """Take the limits that ratios refer to."""
        self._limits = limits
        self._previous: Window | None = None
        self._switching = False
        self.windows = 0
        self.max_velocity_ratio = 0.0
        self.max_acceleration_ratio = 0.0
        self.chunk_switches = 0
        self.late_chunks = 0
        self.max_jerk_ratio = 0.0
        self.rms_jerk = 0.0
        self.boundary_jump = 0.0
        self.chunk_gap = 0.0
        self.tracking_error = 0.0
        self.max_tracking_error = 0.0
        self._jerk_squares = 0.0
        self._jerk_s = 0.0

    def began(self) -> None:
        """A new reference begins: the window before it is executed to its end."""
        if self._previous is not None:
            self._executed(self._previous, np.inf)
        self._previous = None

    def tracked(self, error: FloatArray) -> None:
        """Note how far each joint [n] was measured from what it was told for that instant."""
        self.tracking_error = float(np.abs(error).max(initial=0.0))
        self.max_tracking_error = max(self.max_tracking_error, self.tracking_error)

    def switched(self, gap: float) -> None:
        """Note a chunk switch; ``gap`` is how far old and new chunk disagree there (rad or m)."""
        self._switching = True
        self.chunk_switches += 1
        self.chunk_gap = max(self.chunk_gap, gap)

    def published(self, window: Window) -> None:
        """Take in a window and the step from the one before it."""
        self.windows += 1
        before = self._previous
        if before is not None:
            self._executed(before, window.begin)
            if self._switching:
                self._switching = False
                old, new = before.sample(window.begin).position, window.positions[window.fresh]
                self.boundary_jump = max(self.boundary_jump, float(np.abs(old - new).max()))
        self._previous = window

    def _executed(self, window: Window, until: float) -> None:
        """Take in the setpoints of a window up to the time (s) at which the next one departs."""
        times = window.stamp + window.times
        end = int(np.searchsorted(times, until - _SAME_S)) + 1
        if end < window.fresh + 2:
            return
        peaks = window.joins(window.fresh, end).peaks()
        limits = self._limits
        for name, order, limit in (
            ("max_velocity_ratio", 0, limits.velocity),
            ("max_acceleration_ratio", 1, limits.acceleration),
            ("max_jerk_ratio", 2, limits.jerk),
        ):
            ratio = float((peaks[:, :, order] / limit).max())
            setattr(self, name, max(getattr(self, name), ratio))
        seconds = np.diff(times[window.fresh : end])[:, None]
        jerk = np.diff(window.accelerations[window.fresh : end], axis=0) / seconds
        self._jerk_squares += float((jerk**2 * seconds).sum())
        self._jerk_s += float(seconds.sum())
        self.rms_jerk = float(np.sqrt(self._jerk_squares / self._jerk_s))

    def as_dict(self) -> dict[str, float]:
        """All figures by name.

        ``boundary_jump`` (rad or m) is the largest step of the COMMAND where chunks switched: the
        first new point of a window against what a controller makes of the window before.
        ``rms_jerk`` (rad/s^3, all joints together) is averaged from point to point, the ratios are
        of the largest values; ``tracking_error`` (rad or m) is the newest distance of the farthest
        joint from its command.
        """
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}
