# SPDX-License-Identifier: Apache-2.0
"""The reference that windows are cut from: it begins at rest, follows a path, stops, rests."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.command_history import CommandedMotion
from quantvla_ros.control.config import MotionConfig
from quantvla_ros.control.knots import SAME_S, KnotGrid
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.timeline import Path, PathState
from quantvla_ros.control.tracker import Tracker
from quantvla_ros.control.window import Window, WindowShape, build_window

DUE_S = 0.02
"""Windows begin with points that were due so long ago: the controller's clock may be behind."""


class Reference:
    """One committed motion of n axes after the other; times in s of the ROS clock.

    A window that was cut counts as published when the motion goes on, unless ``withdraw`` is called
    before that.

    Attributes:
        moving: whether a motion is under way; one that rests for good ends with ``end``.
        knots: times of the points of all windows of a motion.
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
        together: NDArray[np.intp] | None,
    ) -> None:
        """Take limits, the distance of points in windows, and the rest as `MotionController`."""
        self.moving = False
        self.knots = KnotGrid(step_s)
        lookahead_s = self.knots.whole(config.lookahead_s)
        window_s = max(self.knots.whole(config.window_s), lookahead_s + self.knots.step_s)
        rest = np.zeros(len(limits.names))
        self.tracker = Tracker(limits, lookahead_s, window_s, rest, speeds, together)
        self.commanded = CommandedMotion(limits, window_s)
        self.metrics = MotionMetrics(limits)
        self._shape = WindowShape(self.knots.step_s, window_s, config.transport_margin_s)
        self._speeds = speeds
        self._before = self.tracker.plan  # what the newest window replaces
        self._newest: Window | None = None  # until it counts
        self._published: Window | None = None  # what the newest one goes on from
        self._stop_planned = False
        self._told_until = -np.inf
        self._said = -np.inf  # stamp of the motion's newest window that was published

    def begin(self, position: FloatArray, time: float) -> None:
        """Begin a motion at rest at ``position`` [n], due from ``time`` on."""
        self.moving = True
        self._go_on()
        self.knots.begin(time)
        self.tracker.start_at(position, self.knots.origin)
        self._before = self.tracker.plan
        self.commanded.begin()
        self._said = -np.inf
        self._published = None
        self._interrupted()

    def approached(self, now: float) -> bool:
        """Whether the window that approaches the motion's start is published.

        A further window would restart the approach from the present position.
        """
        self._go_on()
        approach = -np.inf < self._said < self.knots.origin
        return self.moving and approach and now - DUE_S < self.knots.origin

    def hold(self, position: FloatArray, time: float) -> None:
        """Tell the arm to hold from ``time`` on: at least once before, and once after that."""
        self.begin(position, time)
        self._told_until = self.knots.origin + DUE_S

    def end(self) -> None:
        """Nothing moves any more."""
        self._go_on()
        self.moving = self._stop_planned = False
        self._told_until = -np.inf

    def at(self, time: float) -> FloatArray:
        """Committed position [n] at ``time``."""
        position: FloatArray = self.tracker.plan.sample(np.array([time])).position[0]
        return position

    def pursue(self, path: Path, first: float) -> None:
        """Follow ``path`` from ``first`` on."""
        self._go_on()
        self.tracker.pursue(path, first)

    def stop(self, paths: Iterable[Path], first: float, from_rest: bool) -> bool:
        """Stop from ``first`` on, see `Tracker.stop`; a stop under way goes on.

        Args:
            paths: that the stop may take.
            first: s.
            from_rest: whether one is taken also if nothing moves.

        Returns:
            Whether the stop is over and its end is published.
        """
        self._go_on()
        if not self._stop_planned:
            moves = from_rest or not self.tracker.stands(first)
            self.tracker.stop(paths if moves else (), first)
            self._stop_planned = True
        if self.tracker.plan.end > first:
            return False
        if not self.tracker.stands(first):  # it could not stop at once and has braked: now
            self.tracker.stop((), first)
            return False
        # What is told its value at each tick has been told the last one, too.
        return self._before.rests(self._said) and self._said >= self._told_until

    def window(self, now: float, first: float) -> Window:
        """Cut the window of the tick at ``now`` that says anything new from the knot ``first``."""
        self.commanded.note(self.tracker.plan)
        due, committed = self._due(now, first)
        window = build_window(committed, due, self.tracker.plan, now, first, self._shape)
        self._newest = window
        return window

    def withdraw(self) -> None:
        """Drop the newest window, which was not published; the motion before it goes on."""
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
        """Count the newest window as published; the next one replaces its motion."""
        self._before = self.tracker.plan
        if self._newest is not None:
            self.metrics.published(self._newest)
            self._said = self._newest.stamp
            self._published, self._newest = self._newest, None

    def _due(self, now: float, first: float) -> tuple[FloatArray, PathState]:
        """Times [D] and states [D, n] of the points that a window begins with.

        They are points of the window before it: from the last one that was due `DUE_S` ago to the
        last one before ``first``. The first window of a motion has those at which the arm rests.
        """
        before = self._published
        if before is None:
            due = self.knots.between(self.knots.origin, first)
            return due, self.tracker.plan.sample(due)
        times = before.stamp + before.times
        end = int(np.searchsorted(times, first - SAME_S))
        begin = max(int(np.searchsorted(times, now - DUE_S + SAME_S)) - 1, 0)
        rows = slice(min(begin, end - 1), end)
        states = (before.positions[rows], before.velocities[rows], before.accelerations[rows])
        return times[rows], PathState(*states)

    def _interrupted(self) -> None:
        """The next window does not go on from the last one."""
        self.metrics.began()
        self._stop_planned = False
