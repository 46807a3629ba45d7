# SPDX-License-Identifier: Apache-2.0
"""The reference that windows are cut from: it begins at rest, follows a path, stops, rests."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.commanded import CommandedMotion
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.timeline import Path
from quantvla_ros.control.tracker import Tracker
from quantvla_ros.control.window import Window, build_window


class Reference:
    """One committed motion of n axes after the other; times in s of the ROS clock.

    A window that was cut counts as published when the motion goes on, unless ``withdraw`` is called
    before that.

    Attributes:
        moving: whether a motion is under way; one that rests for good ends with ``end``.
        tracker: commits the motions.
        commanded: what was committed.
        metrics: of what was published.
    """

    def __init__(
        self,
        limits: JointLimits,
        step_s: float,
        config: MotionConfig,
        speeds: NDArray[np.bool_],
    ) -> None:
        """Take limits, the distance of points in windows, and the rest as `MotionController`."""
        self.moving = False
        zero = np.zeros(len(limits.names))
        self.tracker = Tracker(limits, config.lookahead_s, config.window_s, zero, speeds)
        self.commanded = CommandedMotion(limits, config.window_s)
        self.metrics = MotionMetrics(limits)
        self._window_s = config.window_s
        self._step_s = step_s
        self._speeds = speeds
        self._before = self.tracker.plan  # what the newest window replaces
        self._newest: Window | None = None  # until it counts
        self._stop_planned = False
        self._told_until = -np.inf
        self._told = True

    def begin(self, position: FloatArray, time: float) -> None:
        """Begin a motion at rest at ``position`` [n], due from ``time`` on."""
        self.moving = True
        self._go_on()
        self.tracker.start_at(position, time)
        self._before = self.tracker.plan
        self.commanded.begin()
        self._interrupted()

    def hold(self, position: FloatArray, time: float) -> None:
        """Begin a motion that is none: the arm is told, at least once, to hold from ``time``."""
        self.begin(position, time)
        self._told_until = time
        self._told = False

    def end(self) -> None:
        """Nothing moves any more."""
        self._go_on()
        self.moving = self._stop_planned = False
        self._told_until = -np.inf
        self._told = True

    def at(self, time: float) -> FloatArray:
        """Committed position [n] at ``time``."""
        position: FloatArray = self.tracker.plan.sample(np.array([time])).position[0]
        return position

    def pursue(self, path: Path, first: float) -> None:
        """Follow ``path`` from ``first`` on."""
        self._go_on()
        self.tracker.pursue(path, first)

    def stop(self, paths: Iterable[Path], first: float) -> bool:
        """Stop from ``first`` on, see `Tracker.stop`; a stop under way goes on.

        Returns:
            Whether it is over, and the arm has been told.
        """
        self._go_on()
        if not self._stop_planned:
            self.tracker.stop(paths, first)
            self._stop_planned = True
        if self.tracker.plan.end > first:
            return False
        if not self.tracker.stands(first):  # it could not stop at once and has braked: now
            self.tracker.stop((), first)
            return False
        return self._before.rests(first) and first > self._told_until and self._told

    def window(self, now: float, first: float) -> Window:
        """Cut the window of the tick at ``now`` whose first point is due at ``first``."""
        self.commanded.note(self.tracker.plan)
        window = build_window(self.tracker.plan, now, first, self._step_s, self._window_s)
        self._newest = window
        return window

    def withdraw(self) -> None:
        """The newest window was not published: the motion before it goes on."""
        self._newest = None
        if self.moving and self.tracker.plan is not self._before:
            self.tracker.plan = self._before
            self.commanded.forget_last()
            self._interrupted()

    def stop_speeds(self, time: float) -> None:
        """Begin again from ``time`` on with every speed at zero and every joint where it is."""
        if self.moving:
            self.begin(np.where(self._speeds, 0.0, self.at(time)), time)

    def _go_on(self) -> None:
        """The newest window was published, and its motion is what the next one replaces."""
        self._before = self.tracker.plan
        if self._newest is not None:
            self.metrics.published(self._newest)
            self._newest = None
            self._told = True

    def _interrupted(self) -> None:
        """The next window does not go on from the last one."""
        self.metrics.began()
        self._stop_planned = False
