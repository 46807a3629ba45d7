# SPDX-License-Identifier: Apache-2.0
"""What the motion was like: the figures that diagnostics and reports show."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.limits import JointLimits
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
        self.boundary_jump = 0.0
        self.chunk_gap = 0.0

    def began(self) -> None:
        """A new reference begins: there is no window before it to compare with."""
        self._previous = None

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
        if self._switching and self._previous is not None:
            self._switching = False
            at = window.stamp + float(window.times_from_start[0])
            step = np.abs(self._previous.sample(at).position[0] - window.positions[0]).max()
            self.boundary_jump = max(self.boundary_jump, float(step))
        self._previous = window

    def as_dict(self) -> dict[str, float]:
        """All figures by name.

        ``boundary_jump`` (rad or m) is the largest step of the COMMAND where chunks switched: the
        new window's first point against what a controller makes of the window before.
        """
        return {key: value for key, value in vars(self).items() if not key.startswith("_")}
