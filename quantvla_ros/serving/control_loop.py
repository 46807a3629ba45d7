# SPDX-License-Identifier: Apache-2.0
"""What the control thread does once a control period: watch, plan, publish in time."""

from __future__ import annotations

import math
import threading
import time

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.window import Window
from quantvla_ros.serving.parts import SessionParts, SharedMotion
from quantvla_ros.serving.supervision import Supervisor

OUTPUT_SHARE = 0.6
"""Share of a control period after which the window is published, for which it is made: how long
the computing took, which varies, does not show in the rhythm of the windows."""
REST_TIMEOUT_S, REST_POLL_S = 5.0, 0.05
"""Longest wait for the arm to rest, beyond its slowest stop along the path."""


class ControlLoop:
    """Called by the steady clock (``step``), whatever the executor and the ROS clock do."""

    def __init__(self, parts: SessionParts, shared: SharedMotion, supervisor: Supervisor) -> None:
        """Take the parts, and who watches inputs, clock and arm."""
        self._motion, self._lock, self._record = shared.controller, shared.lock, shared.record
        self._drive, self._buffer = parts.robot.drive, parts.robot.buffer
        self._supervisor = supervisor
        self._parameters = parts.parameters
        self._period = parts.period_s
        self._clock = parts.clock
        self._rested = threading.Event()
        self._left_at = 0.0  # the last command, steady clock, s
        self._left_stamp = -math.inf  # and the time that it says, ROS clock, s

    def begin(self) -> None:
        """Forget what was before; called before the thread starts."""
        self._drive.begin()
        self._rested.clear()

    def armed(self) -> None:
        """Commands are expected to leave from now on; the caller holds the lock."""
        self._drive.begin()
        self._left_at = self._clock.steady()

    def wait_for_rest(self) -> None:
        """Wait; but while the ROS clock stands still nothing moves on, and the last window ends."""
        steady = self._clock.steady
        deadline = steady() + 2.0 * self._motion.config.stop_s + REST_TIMEOUT_S
        while not self._rested.wait(REST_POLL_S) and steady() < deadline:
            still = self._supervisor.clock.still(steady())
            if still > self._parameters().clock_timeout_s:
                return

    def step(self, deadline: float) -> None:
        """Watch, move on, and publish `OUTPUT_SHARE` of a period after ``deadline`` (steady, s)."""
        steady = self._clock.steady()
        output_at = deadline + OUTPUT_SHARE * self._period
        now = self._clock.now()
        with self._lock:
            self._watch(now, steady)
            stamp = now + max(0.0, output_at - steady)
            if stamp - self._left_stamp > self._drive.longest_gap_s:
                self._motion.stop_speeds()
            began = time.perf_counter()
            window = self._motion.tick(stamp)
            splice_ms = (time.perf_counter() - began) * 1e3
            stalled = self._supervisor.clock.still(steady) > self._motion.config.window_s
            if stalled:
                # It would be the last one again, and soon lie in the past.
                self._motion.withdraw()
                window = None
            moving = not self._motion.at_rest
            at_rest = self._motion.mode is Mode.INACTIVE and self._motion.at_rest
        if window is not None:
            self._record.note_stage("splice", splice_ms)
            self._publish(window, output_at, max(output_at, steady))
        else:
            self._record.note_pause()
            self._left_at = steady
            if not (stalled or moving):  # a stop now would be a jump when the clock goes on
                # A window bears the time at which it leaves: the stop after it must not be older.
                at_rest &= self._drive.idle(max(now, self._left_stamp))
        if at_rest:
            self._rested.set()

    def _publish(self, window: Window, output_at: float, expected: float) -> None:
        """Publish at steady time ``output_at``, if it is not much later than ``expected`` then."""
        began = time.perf_counter()
        publish = self._drive.prepared(window)
        publish_ms = (time.perf_counter() - began) * 1e3
        self._clock.sleep_until(output_at)
        # By the steady clock: a simulation's may run faster than the window was made for.
        late_s = self._clock.steady() - expected
        if late_s > window.patience_s and self._drive.timed:
            # This thread was put aside; a controller would jump to where the window departs from
            # the one before.
            with self._lock:
                self._motion.withdraw()
            self._record.withdrawn += 1
            return
        began = time.perf_counter()
        publish()
        self._left_at, self._left_stamp = self._clock.steady(), window.stamp
        self._record.note_publish(self._left_at)
        self._supervisor.published(window)
        publish_ms += (time.perf_counter() - began) * 1e3
        self._record.note_stage("publish", publish_ms)

    def _watch(self, now: float, steady: float) -> None:
        """Raise what the clocks, the inputs or the arm give reason for."""
        motion = self._motion
        clock = self._supervisor.clock_fault(now, steady)
        if clock is not None:
            moving = not motion.at_rest
            if clock.jumped:
                self._buffer.clear_measurements()
                self._left_stamp = min(self._left_stamp, now)
                motion.begin_again(now)
                for gripper in self._drive.grippers:
                    gripper.begin()  # it keeps what it was told: its grip, maybe
            if moving and (clock.jumped or motion.fault is None):
                motion.raise_fault(FaultCode.CLOCK_JUMP, clock.text, now)
        silent = steady - self._left_at
        if motion.mode is Mode.ARMED and silent > self._parameters().clock_timeout_s:
            text = (
                f"no command could leave in time for {silent:.1f} s: other programs put this one "
                "aside; end some, or allow real-time priority"
            )
            motion.raise_fault(FaultCode.CLOCK_JUMP, text, now)
        self._supervisor.watch(motion, now)
