# SPDX-License-Identifier: Apache-2.0
"""What the motion was like: the figures that diagnostics and reports show."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.window import Window


class MotionMetrics:
    """Largest values over everything published since construction."""

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
        self._last: tuple[float, FloatArray] | None = None
        self._jerk_squares = 0.0
        self._jerks = 0

    def began(self) -> None:
        """A new reference begins: there is no window before it to compare with."""
        self._previous = None
        self._last = None

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
        for name, values, limit in (
            ("max_velocity_ratio", window.velocities, self._limits.velocity),
            ("max_acceleration_ratio", window.accelerations, self._limits.acceleration),
        ):
            ratio = float((np.abs(values) / limit).max())
            setattr(self, name, max(getattr(self, name), ratio))
        self._executed(window)
        if self._switching and self._previous is not None:
            self._switching = False
            step = np.abs(
                self._previous.sample(window.begin).position[0] - window.positions[0]
            ).max()
            self.boundary_jump = max(self.boundary_jump, float(step))
        self._previous = window

    def _executed(self, window: Window) -> None:
        """Jerk of what is executed: from the first point of one window to that of the next."""
        first = window.begin
        last, self._last = self._last, (first, window.accelerations[0])
        if last is None or first <= last[0]:
            return
        jerk = (window.accelerations[0] - last[1]) / (first - last[0])
        self.max_jerk_ratio = max(
            self.max_jerk_ratio, float((np.abs(jerk) / self._limits.jerk).max())
        )
        self._jerk_squares += float(jerk @ jerk)
        self._jerks += 1
        self.rms_jerk = float(np.sqrt(self._jerk_squares / self._jerks))

    def as_dict(self) -> dict[str, float]:
        """All figures by name.

        ``boundary_jump`` (rad or m) is the largest step of the COMMAND where chunks switched: the
        new window's first point against what a controller makes of the window before.
        ``rms_jerk`` (rad/s^3, all joints together) and ``max_jerk_ratio`` are of the executed
        command, averaged over each control period; ``tracking_error`` (rad or m) is the newest
        distance of the farthest joint from its command.
        """
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}
