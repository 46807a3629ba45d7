# SPDX-License-Identifier: Apache-2.0
"""Modes and faults of a motion: every stop is a deceleration, and a fault stays until a reset."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from numpy.typing import NDArray

from quantvla_ros.control.config import Mode, MotionConfig
from quantvla_ros.control.faults import Fault, FaultCode
from quantvla_ros.control.joint_state import MeasuredJoints
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.metrics import MotionMetrics
from quantvla_ros.control.reference import Reference
from quantvla_ros.control.schedule import ChunkSchedule
from quantvla_ros.errors import QuantVLAError

POINT_STEP_S = 0.02
"""Points of a window are no closer: between them a controller's quintic keeps to the motion."""
RAMP_STEPS = 2
"""An acceleration takes at least so many points of a window to rise to its limit. A controller goes
from point to point on quintics, which would pass that limit by up to a third if it rose within one.
More points would cost success: the arm follows its policy later.
"""


class MotionModes:
    """What moves, and the mode it is in; `MotionController` feeds it and cuts its windows.

    Attributes:
        config: tuning.
        mode: what the controller does.
        fault: the latched one, None for none.
        fault_counts: how often each fault was raised.
        raised: those raised and not logged yet; the logger removes them.
    """

    def __init__(
        self,
        limits: JointLimits,
        period_s: float,
        config: MotionConfig | None,
        speeds: NDArray[np.bool_] | None,
        together: NDArray[np.intp] | None,
    ) -> None:
        """Take the parts as `MotionController` does."""
        self.config = config or MotionConfig()
        self.mode = Mode.INACTIVE
        self.fault: Fault | None = None
        self.fault_counts: Counter[FaultCode] = Counter()
        self.raised: deque[Fault] = deque(maxlen=64)
        step_s = max(period_s, POINT_STEP_S)
        self._limits = limits.with_jerk(limits.acceleration / (RAMP_STEPS * step_s))
        self._speeds = np.zeros(len(limits.names), np.bool_) if speeds is None else speeds
        self._reference = Reference(self._limits, step_s, self.config, self._speeds, together)
        self._schedule = ChunkSchedule(self.config, step_s, speeds)
        self._measured = MeasuredJoints(self._limits)
        self._lost: FloatArray | None = None  # see `MotionController.begin_again`
        self._after_stop = Mode.DRY_RUN
        self._now = -np.inf
        self._first = -np.inf

    @property
    def at_rest(self) -> bool:
        """Whether nothing is commanded to move any more (true when nothing ever was)."""
        return not self._reference.moving

    @property
    def metrics(self) -> MotionMetrics:
        """What the motion was like."""
        return self._reference.metrics

    @property
    def now(self) -> float:
        """The newest time (s) that the caller passed."""
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

    def disarm(self, now: float) -> None:
        """ARMED -> STOPPING -> DRY_RUN; nothing in other modes."""
        self._advance(now)
        if self.mode is Mode.ARMED:
            self._after_stop = Mode.DRY_RUN
            self._stop(Mode.STOPPING)

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

    def give_way(self, position: FloatArray) -> None:
        """Let the stop of the fault that comes next end where the arm is measured.

        An arm that something holds would else press on it for as long as the fault is latched.

        Args:
            position: measured [n]; NaN: this axis stops along the path (a gripper keeps its grip).
        """
        self._schedule.stop_at(position)

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

    def withdraw(self) -> None:
        """Take back the last window, which was not published; the arm follows the one before.

        A window that comes after it departs from the one before would make the arm jump to where
        it should be by then; what was published before ends at rest by itself.
        """
        self._reference.withdraw()

    def end(self) -> None:
        """Enter INACTIVE at once: no tick follows; the last window ends at rest."""
        self._rest(Mode.INACTIVE)

    def _advance(self, now: float) -> None:
        """Never let time go backwards."""
        self._now = max(self._now, now)

    def _stop(self, mode: Mode) -> None:
        """Decelerate from the next tick on; a stop under way goes on."""
        self.mode = mode
        self._schedule.refuse_pending()

    def _rest(self, mode: Mode) -> None:
        """Enter ``mode`` at rest and forget motion and chunks."""
        self.mode = mode
        self._lost = None
        self._reference.end()
        self._schedule.forget()
