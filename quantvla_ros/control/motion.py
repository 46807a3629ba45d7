# SPDX-License-Identifier: Apache-2.0
"""The motion controller: one state machine between chunks that arrive and windows that go out."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.chunk_check import chunk_error
from quantvla_ros.control.command_history import CommittedRows
from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.faults import Fault, FaultCode
from quantvla_ros.control.joint_state import MeasuredJoints
from quantvla_ros.control.latency import LatencyTracker
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.reference import Reference
from quantvla_ros.control.schedule import ChunkSchedule
from quantvla_ros.control.timeline import Path
from quantvla_ros.control.turns import unwrapped
from quantvla_ros.control.window import Window
from quantvla_ros.errors import QuantVLAError

POINT_STEP_S = 0.02
"""Points of a window are no closer: between them a controller's quintic keeps to the motion."""
RAMP_STEPS = 2
"""An acceleration takes at least so many points of a window to rise to its limit. A controller goes
from point to point on quintics, which would pass that limit by up to a third if it rose within one.
More points would cost success: the arm follows its policy later.
"""
_ROUNDING = 1e-6


class MotionController:
    """Turns chunks into rolling windows within limits; every stop is a deceleration.

    All times are seconds of the ROS clock and are passed in; a time at or before the latest one
    known does not move anything. Not thread-safe: the caller holds one lock around it.
    """

    def __init__(
        self,
        limits: JointLimits,
        period_s: float,
        config: MotionConfig | None = None,
        speeds: NDArray[np.bool_] | None = None,
    ) -> None:
        """Take the joints' limits, the control period and the tuning.

        ``speeds`` [n] marks axes whose values are no positions but speeds (of a tip): limits hold
        for them in the same way, but at rest they are zero and not where they happen to be.
        """
        self.config = config or MotionConfig()
        self.mode = Mode.INACTIVE
        self.fault: Fault | None = None
        self.fault_counts: Counter[FaultCode] = Counter()
        self.missing = ""  # why no chunk is under way, for the text of CHUNK_UNDERRUN
        self.raised: deque[Fault] = deque(maxlen=64)  # whoever logs them takes them out
        step_s = max(period_s, POINT_STEP_S)
        limits = limits.with_jerk(limits.acceleration / (RAMP_STEPS * step_s))
        self._speeds = np.zeros(len(limits.names), np.bool_) if speeds is None else speeds
        self._limits = limits
        self._reference = Reference(limits, step_s, self.config, self._speeds)
        # A speed is told at each tick anew. Points are told ahead, so far that the arm is on its
        # way all the same when one window is lost.
        self._lead = self.config.transport_margin_s + (0.0 if self._speeds.any() else period_s)
        self._latency = LatencyTracker(self.config.initial_latency_s)
        self._after_stop = Mode.DRY_RUN
        self._now = -np.inf
        self._first = -np.inf
        self._measured = MeasuredJoints(limits)
        self._lost: FloatArray | None = None  # commanded when the clock went back; see begin_again
        self._found_by = -np.inf  # until then a joint state is awaited
        self._schedule = ChunkSchedule(self.config, step_s, speeds)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is commanded to move any more (true when nothing ever was)."""
        return not self._reference.moving

    @property
    def metrics(self) -> MotionMetrics:
        """What the motion was like."""
        return self._reference.metrics

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

    @property
    def now(self) -> float:
        """Newest time (s) that it was told."""
        return self._now

    @property
    def clamped(self) -> dict[str, int]:
        """Joint -> ticks at which its path left the position limits and was clamped."""
        return dict(zip(self._limits.names, self._reference.tracker.clamped.tolist(), strict=True))

    @property
    def excess(self) -> FloatArray:
        """How far [n] the path lies outside the position limits now (rad or m)."""
        return self._reference.tracker.excess

    @property
    def limited(self) -> dict[str, int]:
        """Joint -> ticks at which its path asked for more than the limits allow."""
        return dict(zip(self._limits.names, self._reference.tracker.limited.tolist(), strict=True))

    def activate(self, now: float) -> None:
        """INACTIVE -> DRY_RUN (or FAULT, if one is still latched).

        Raises:
            QuantVLAError: the controller is active, or still decelerates.
        """
        if self.mode is not Mode.INACTIVE:
            raise QuantVLAError(f"cannot activate in mode {self.mode.value}; deactivate first")
        self._now = self._first = now
        self._schedule.forget()
        self.mode = Mode.DRY_RUN if self.fault is None else Mode.FAULT

    def deactivate(self, now: float) -> None:
        """Any mode -> INACTIVE; decelerates first: keep ticking until ``at_rest``."""
        self._advance(now)
        self._after_stop = Mode.INACTIVE
        if not self.at_rest:
            self._stop(self.mode if self.mode is Mode.FAULT else Mode.STOPPING)
        else:
            self._rest(Mode.INACTIVE)

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

    def disarm(self, now: float) -> None:
        """ARMED -> STOPPING -> DRY_RUN; nothing in other modes."""
        self._advance(now)
        if self.mode is Mode.ARMED:
            self._after_stop = Mode.DRY_RUN
            self._stop(Mode.STOPPING)

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
        """Beginning of the chunk that would be asked for now, as the one in execution has it.

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
        return self._reference.commanded.rows(path, times[times <= end + _ROUNDING], taken_over)

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

    def raise_fault(self, code: FaultCode, text: str, now: float) -> None:
        """Latch a fault and decelerate; a further one while one is latched is only counted."""
        self._advance(now)
        self.fault_counts[code] += 1
        fault = Fault(code, text, now)
        self.raised.append(fault)
        if self.fault is not None:
            return
        self.fault = fault
        if self.mode is Mode.INACTIVE:
            return
        if not (self.mode is Mode.STOPPING and self._after_stop is Mode.INACTIVE):
            self._after_stop = Mode.FAULT
        if not self.at_rest:
            self._stop(Mode.FAULT)
        else:
            self._rest(Mode.FAULT)

    def reset_fault(self, now: float) -> None:
        """FAULT at rest -> DRY_RUN, without any chunk; moving again takes ``arm``.

        Raises:
            QuantVLAError: no fault is latched, or the arm is not at rest yet.
        """
        if self.fault is None:
            raise QuantVLAError("there is no fault to reset")
        if not self.at_rest:
            raise QuantVLAError(
                f"cannot reset {self.fault.code.value}: the arm still decelerates; try again"
            )
        self._advance(now)
        self.fault = None
        if self.mode is Mode.FAULT:
            self._rest(Mode.DRY_RUN)

    def begin_again(self, now: float) -> None:
        """Forget plan and time after a jump of the clock.

        When it jumped ahead nothing is commanded any more: the last window ends at rest, and the
        mode is DRY_RUN, FAULT or, when that was under way, INACTIVE. When it went back, a window
        that was under way is one of a far future, and a controller would begin a motion to it that
        no limit holds for. So an arm that moved is told to hold from its next joint state on, and
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
        elif self._reference.stop(self._schedule.stops(first), first):
            self._rest(self._after_stop)
            return None
        return self._reference.window(self._now, first)

    def withdraw(self) -> None:
        """The last tick's window was not published: the arm goes on as it was told before.

        A window that comes after it departs from the one before would make the arm jump to where
        it should be by then; what was published before ends at rest by itself.
        """
        self._reference.withdraw()

    def stop_speeds(self) -> None:
        """Take note that the receiver of the speeds stopped by itself, for want of commands."""
        self._reference.stop_speeds(self._first)

    def end(self) -> None:
        """Nobody ticks any more: INACTIVE, whatever was under way; the last window ends at rest."""
        self._rest(Mode.INACTIVE)

    def _position(self, stamp: float) -> FloatArray | None:
        """Where [n] the arm was at ``stamp``: as commanded, else as measured last."""
        if self.at_rest:
            return self._measured.position
        commanded = self._reference.commanded.at(stamp)
        return self._reference.at(self._now) if commanded is None else commanded

    def _advance(self, now: float) -> None:
        """Never let time go backwards."""
        self._now = max(self._now, now)

    def _hold_again(self, commanded: FloatArray) -> None:
        """Let the arm hold from a joint state on; if none comes it is left alone."""
        position = self._measured.to_hold(commanded, self._now, self.config)
        if position is not None:
            self._lost = None
            self._first = self._now + self.config.blend_s
            self._reference.hold(position, self._first)
        elif self._now > self._found_by:
            self._rest(self._after_stop)

    def _stop(self, mode: Mode) -> None:
        """Decelerate from the next tick on; a stop under way goes on."""
        self.mode = mode
        self._schedule.refuse_pending()

    def _rest(self, mode: Mode) -> None:
        """Nothing moves any more: enter ``mode``."""
        self.mode = mode
        self._lost = None
        self._reference.end()
        self._schedule.forget()
