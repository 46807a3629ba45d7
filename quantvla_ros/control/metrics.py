# SPDX-License-Identifier: Apache-2.0
"""What the motion was like: the figures that diagnostics and reports show."""

from __future__ import annotations

import numpy as np

from quantvla_ros.control.knots import SAME_S
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.quintic import QuinticJoins
from quantvla_ros.control.window import Window

GATHERED = 50
"""Windows whose setpoints are evaluated at once: one by one they would cost a quarter of a tick."""


class SetpointRates:
    """Largest and mean rates of the setpoints that a controller made of windows."""

    def __init__(self, limits: JointLimits) -> None:
        """Take the limits that ratios refer to."""
        self._limits = np.stack([limits.velocity, limits.acceleration, limits.jerk], axis=1)
        self._gathered: list[tuple[FloatArray, FloatArray]] = []
        self._largest = np.zeros(3)
        self._jerk_squares = 0.0
        self._jerk_s = 0.0

    def executed(self, window: Window, until: float) -> None:
        """Take in a window up to the time (s) at which the next one departs from it."""
        first, at = window.fresh, until - window.stamp - SAME_S
        end = int(np.searchsorted(window.times, at)) + 1
        if end < first + 2:
            return
        self._gathered.append((window.times[first:end], window.states(first, end)))
        if len(self._gathered) >= GATHERED:
            self._evaluate()

    @property
    def largest(self) -> FloatArray:
        """Velocity, acceleration and jerk [3] as shares of their limits."""
        self._evaluate()
        return self._largest

    @property
    def rms_jerk(self) -> float:
        """Mean from point to point, all joints together, rad/s^3."""
        self._evaluate()
        return float(np.sqrt(self._jerk_squares / self._jerk_s)) if self._jerk_s else 0.0

    def _evaluate(self) -> None:
        if not self._gathered:
            return
        starts = np.concatenate([states[:-1] for _, states in self._gathered])
        ends = np.concatenate([states[1:] for _, states in self._gathered])
        seconds = np.concatenate([np.diff(times) for times, _ in self._gathered])
        self._gathered.clear()
        ratios = QuinticJoins(starts, ends, seconds).peaks() / self._limits
        self._largest = np.maximum(self._largest, ratios.max(axis=(0, 1)))
        jerk = (ends[:, 2] - starts[:, 2]) / seconds[:, None]
        self._jerk_squares += float((jerk**2 * seconds[:, None]).sum())
        self._jerk_s += float(seconds.sum())


class MotionMetrics:
    """Largest values over everything published since construction.

    Velocities, accelerations and jerks are those of a controller's setpoints: of the quintics that
    it goes on, from each window until the next one departs from it.
    """

    def __init__(self, limits: JointLimits) -> None:
        """Take the limits that ratios refer to."""
        self._rates = SetpointRates(limits)
        self._previous: Window | None = None
        self._switching = False
        self.windows = 0
        self.chunk_switches = 0
        self.late_chunks = 0
        self.boundary_jump = 0.0
        self.chunk_gap = 0.0
        self.tracking_error = 0.0
        self.max_tracking_error = 0.0

    def began(self) -> None:
        """Note a new reference: the window before it is executed to its end."""
        if self._previous is not None:
            self._rates.executed(self._previous, np.inf)
        self._previous = None

    def tracked(self, error: FloatArray) -> None:
        """Note each joint's [n] distance from its setpoint of that instant."""
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
            self._rates.executed(before, window.begin)
            if self._switching:
                self._switching = False
                old, new = before.sample(window.begin).position, window.positions[window.fresh]
                self.boundary_jump = max(self.boundary_jump, float(np.abs(old - new).max()))
        self._previous = window

    def as_dict(self) -> dict[str, float]:
        """All figures by name.

        ``boundary_jump`` (rad or m) is the largest step of the COMMAND where chunks switched: the
        first new point of a window against what a controller makes of the window before.
        ``rms_jerk`` (rad/s^3, all joints together) is averaged from point to point, the ratios are
        of the largest values; ``tracking_error`` (rad or m) is the newest distance of the farthest
        joint from its command.
        """
        velocity, acceleration, jerk = self._rates.largest.tolist()
        return {
            "windows": self.windows,
            "max_velocity_ratio": velocity,
            "max_acceleration_ratio": acceleration,
            "max_jerk_ratio": jerk,
            "rms_jerk": self._rates.rms_jerk,
            "chunk_switches": self.chunk_switches,
            "late_chunks": self.late_chunks,
            "boundary_jump": self.boundary_jump,
            "chunk_gap": self.chunk_gap,
            "tracking_error": self.tracking_error,
            "max_tracking_error": self.max_tracking_error,
        }
