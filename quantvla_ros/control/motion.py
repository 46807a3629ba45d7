# SPDX-License-Identifier: Apache-2.0
"""The motion controller: one state machine between chunks that arrive and windows that go out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.chunk_check import chunk_error
from quantvla_ros.control.command_history import CommittedRows
from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.knots import SAME_S
from quantvla_ros.control.latency import LatencyTracker
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.modes import MotionModes
from quantvla_ros.control.timeline import Path
from quantvla_ros.control.turns import unwrapped
from quantvla_ros.control.window import Window
from quantvla_ros.errors import QuantVLAError


class MotionController(MotionModes):
    """Turns chunks into rolling windows within limits; every stop is a deceleration.

    All times are seconds of the ROS clock and are passed in; a time at or before the latest one
    known does not move anything. Not thread-safe: the caller holds one lock around it.

    Attributes:
        missing: why no chunk is under way, for the text of CHUNK_UNDERRUN.
    """

    def __init__(
        self,
        limits: JointLimits,
        period_s: float,
        config: MotionConfig | None = None,
        speeds: NDArray[np.bool_] | None = None,
        together: NDArray[np.intp] | None = None,
    ) -> None:
        """Take the joints' limits, the control period and the tuning.

        ``speeds`` [n] marks axes whose values are no positions but speeds (of a tip): limits hold
        for them in the same way, but at rest they are zero and not where they happen to be. Axes
        that share a number of ``together`` [n] keep time together (`Tracker`); None: all do.
        """
        super().__init__(limits, period_s, config, speeds, together)
        self.missing = ""
        # A speed is told at each tick anew. Points are told ahead, so far that the arm is on its
        # way all the same when one window is lost.
        self._lead = self.config.transport_margin_s + (0.0 if self._speeds.any() else period_s)
        self._latency = LatencyTracker(self.config.initial_latency_s)
        self._found_by = -np.inf  # until then a joint state is awaited; see `begin_again`

    @property
    def waits(self) -> bool:
        """Whether the armed arm holds because no chunk that it can use has come."""
        return self.mode is Mode.ARMED and self._schedule.end is None

    @property
    def latency_p95(self) -> float:
        """Latency (s) that the next chunk is asked for ahead of."""
        return self._latency.p95

    @property
    def path(self) -> Path | None:
        """What the chunks ask for from now on, also in dry run; None when there is no chunk."""
        return self._schedule.path

    def arm(self, now: float) -> None:
        """DRY_RUN -> ARMED: the reference holds at the measured position until a new chunk comes.

        What was planned in dry run is forgotten: the arm may have been moved since.

        Raises:
            QuantVLAError: a fault is latched, the mode is not DRY_RUN, no fresh joint state is
                known, or the robot is moving.
        """
        if self.mode is Mode.ARMED:
            return
        position = self.check_arming(now)
        self._advance(now)
        # The controller may hold another position than the measured one: an arm sags. It gets time
        # to go from the one to the other.
        wait = 0.0 if self._speeds.any() else max(self.config.blend_s, self._lead)
        self._first = max(self._first, now + wait)
        self._reference.begin(position, self._first)
        self._schedule.hold(position)
        self.mode = Mode.ARMED

    def check_arming(self, now: float) -> FloatArray:
        """The measured position [n] that a motion would begin at.

        Raises:
            QuantVLAError: see ``arm``.
        """
        if self.fault is not None:
            raise QuantVLAError(
                f"cannot arm: fault {self.fault.code.value} is latched ({self.fault.text}); "
                "remove its cause and call ~/reset_fault"
            )
        if self.mode is not Mode.DRY_RUN:
            raise QuantVLAError(f"cannot arm in mode {self.mode.value}; wait for DRY_RUN")
        return self._measured.at_rest(now, self.config)

    def observe_joints(self, stamp: float, positions: FloatArray, velocities: FloatArray) -> None:
        """Note the measured state, [n] each in the limits' order; see `MeasuredJoints.note`."""
        self._measured.note(stamp, positions, velocities)

    def offer_chunk(self, actions: FloatArray, stamp: float, dt: float) -> FaultCode | None:
        """Take positions [H, n], row k due at ``stamp + (k + 1) * dt``, from the next tick on.

        A chunk of a wrong shape, with a value that no joint can have or of a future time is dropped
        whole and raises the fault NONFINITE_ACTION, which is returned. In INACTIVE, STOPPING and
        FAULT a good chunk is ignored. A continuous joint goes to the nearest equivalent of what the
        chunk says, however many turns away that is.
        """
        if self.mode is Mode.INACTIVE:
            return None
        points = np.array(actions, dtype=np.float64)
        text = chunk_error(points, self._limits.names, stamp, dt, self._now)
        if text is not None:
            self.raise_fault(FaultCode.NONFINITE_ACTION, text, self._now)
            return FaultCode.NONFINITE_ACTION
        if self.mode in (Mode.DRY_RUN, Mode.ARMED):
            if self._limits.continuous.any() and (start := self._position(stamp)) is not None:
                points = unwrapped(points, start, self._limits.continuous)
            self._schedule.offer(points, stamp, dt)
        return None

    def wants_chunk(self, now: float) -> bool:
        """Whether inference should run now, so that its chunk comes when this one is done."""
        working = self.mode in (Mode.DRY_RUN, Mode.ARMED)
        return working and self._schedule.wants(now, self._latency.p95)

    def committed(self, stamp: float, dt: float, rows: int, now: float) -> CommittedRows | None:
        """First rows of a chunk asked for now, as the chunk in execution has them.

        Args:
            stamp: of the observation.
            dt: step of the chunk.
            rows: of the chunk; row k is due at ``stamp + (k + 1) * dt``.
            now: the time.

        Returns:
            None while no chunk moves the arm.
        """
        path, end = self._schedule.path, self._schedule.end
        if self.mode is not Mode.ARMED or path is None or end is None:
            return None
        times = stamp + dt * np.arange(1.0, rows + 1)
        taken_over = now + self._latency.p95 + self._lead
        return self._reference.commanded.rows(path, times[times <= end + SAME_S], taken_over)

    def note_latency(self, seconds: float) -> None:
        """Add a measured time from observation to chunk (s)."""
        self._latency.note(seconds)

    def drop_chunks(self, now: float) -> None:
        """Forget what was asked: the arm slows down along its path and holds until a new chunk."""
        self._advance(now)
        if self.mode is Mode.ARMED:
            self._schedule.drop(self._first)
        elif self.mode is Mode.DRY_RUN:
            self._schedule.forget()

    def begin_again(self, now: float) -> None:
        """Forget plan and time after a jump of the clock.

        When it jumped ahead nothing is commanded any more: the last window ends at rest, and the
        mode is DRY_RUN, FAULT or, when that was under way, INACTIVE. When it went back, a window
        that was under way is one of a far future, and a controller would begin a motion to it that
        no limit holds for. An arm that moved gets the command to hold at its next joint state and
        enters that mode then. Moving again takes ``arm``.
        """
        ending = self.mode in (Mode.STOPPING, Mode.FAULT) and self._after_stop is Mode.INACTIVE
        after = Mode.DRY_RUN if self.fault is None else Mode.FAULT
        if self.mode is Mode.INACTIVE or (ending and not self.at_rest):
            after = Mode.INACTIVE
        if not self.at_rest and now < self._now and not self._speeds.any():
            if self._lost is None:
                self._lost = self._reference.at(self._now)
            self._found_by = now + self.config.joint_state_age_s
            self._after_stop = after
            self._schedule.forget()
            self._stop(Mode.STOPPING if self.mode is Mode.ARMED else self.mode)
        else:
            self._rest(after)
        self._now = self._first = now
        self._measured.forget()

    def tick(self, now: float) -> Window | None:
        """Advance to ``now`` and return what to publish, None when nothing is to be commanded."""
        self._advance(now)
        if self._lost is not None:
            self._hold_again(self._lost)
        idle = self.mode is Mode.INACTIVE or (self.mode is Mode.FAULT and self.at_rest)
        if idle or self._lost is not None:
            return None
        if self._reference.approached(self._now):
            return None
        first = self._reference.knots.at_or_after(max(self._first, self._now + self._lead))
        self._first = first
        gap = self._schedule.take(first)
        self.metrics.late_chunks = self._schedule.late
        if self._schedule.runs_out(first) and self.mode is Mode.ARMED:
            missing = f" ({self.missing})" if self.missing else ""
            self.raise_fault(
                FaultCode.CHUNK_UNDERRUN,
                f"the chunk in execution ran out before the next one came{missing}",
                self._now,
            )
        if self.mode is Mode.DRY_RUN:
            if self._schedule.runs_out(first):
                self._schedule.forget()
            return None
        if gap is not None:
            self.metrics.switched(gap)
        self._schedule.prune(first)
        path = self._schedule.path
        if self.mode is Mode.ARMED and path is not None:
            self._reference.pursue(path, first)
        elif self._reference.stop(self._schedule.stops(first), first, self._schedule.retreats):
            self._rest(self._after_stop)
            return None
        return self._reference.window(self._now, first)

    def stop_speeds(self) -> None:
        """Note that the receiver of the velocities stopped by its own command timeout."""
        self._reference.stop_speeds(self._first)

    def _position(self, stamp: float) -> FloatArray | None:
        """Where [n] the arm was at ``stamp``: as commanded, else as measured last."""
        if self.at_rest:
            return self._measured.position
        commanded = self._reference.commanded.at(stamp)
        return self._reference.at(self._now) if commanded is None else commanded

    def _hold_again(self, commanded: FloatArray) -> None:
        """Let the arm hold from a joint state on; if none comes it is left alone."""
        position = self._measured.to_hold(commanded, self._now, self.config)
        if position is not None:
            self._lost = None
            self._first = self._now + self.config.blend_s
            self._reference.hold(position, self._first)
        elif self._now > self._found_by:
            self._rest(self._after_stop)
