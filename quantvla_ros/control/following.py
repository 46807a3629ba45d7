# SPDX-License-Identifier: Apache-2.0
"""Whether the arm follows its command, and whether the command had to be clamped."""

from __future__ import annotations

from collections import deque

import numpy as np

from quantvla_ros.control.debounce import ActiveTime, HeldFor
from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.limits import FloatArray, JointLimits
from quantvla_ros.control.turns import nearest_turn
from quantvla_ros.control.window import Window

HISTORY_S = 10.0
"""Commands are kept this long: no joint state may be older (``max_joint_age_s``)."""
VIOLATION_WINDOW_S = 5.0
"""Violations of the position limits are added up over this time."""

ARMING_REACH_S = 0.01
"""At arming a joint may be outside its limits by what its velocity limit covers in this time: it is
brought in at once, without any chunk."""


class TrackingWatch:
    """Compares measured positions with what was commanded for the same instant."""

    def __init__(self, limits: JointLimits, period_s: float, tolerances: FloatArray) -> None:
        """Take the joints and the control period.

        Args:
            limits: of n joints.
            period_s: between commands.
            tolerances: [n] in rad or m; infinite: not watched; NaN: what the joint's velocity
                limit covers in the lag that `check` is given.
        """
        self._limits = limits
        self._tolerances = tolerances
        self._allowed_for: tuple[float, FloatArray] = (np.nan, tolerances)
        self._commands: deque[tuple[float, FloatArray]] = deque(maxlen=round(HISTORY_S / period_s))
        self._window: Window | None = None
        self._far = HeldFor()
        self._compared = -np.inf
        self._ratio = 0.0
        self._error = np.zeros(len(limits.names))
        self._position = np.full(len(limits.names), np.nan)

    @property
    def error(self) -> FloatArray:
        """Newest distance [n] of the measured positions from the command (rad or m)."""
        return self._error

    @property
    def ratio(self) -> float:
        """Newest distance from the command as a share of its tolerance, of the worst joint."""
        return self._ratio

    def begin(self) -> None:
        """Forget the commands of another motion."""
        self._commands.clear()
        self._far = HeldFor()
        self._compared = -np.inf
        self._ratio = 0.0
        self._error = np.zeros(len(self._limits.names))

    @property
    def measured(self) -> FloatArray:
        """Newest position [n] that was compared, NaN where the joint is not watched."""
        return np.where(np.isinf(self._tolerances), np.nan, self._position)

    def commanded(self, window: Window) -> None:
        """Note what was commanded to the arm."""
        self._commands.append((window.begin, window.positions[window.fresh]))
        self._window = window

    def check(
        self, stamp: float, position: FloatArray, lag_s: float, timeout_s: float
    ) -> Condition | None:
        """Compare a measured position [n] of time ``stamp``; a later call with it changes nothing.

        Args:
            stamp: s, ROS clock.
            position: in the limits' order.
            lag_s: how far (s) the arm may lag behind at its velocity limit.
            timeout_s: how long (s) a joint may be too far away.
        """
        if stamp <= self._compared:
            return None
        self._compared = stamp
        command = self._at(stamp)
        if command is None:
            return None
        position = nearest_turn(position, command, self._limits.continuous)
        error, allowed = np.abs(position - command), self._allowed(lag_s)
        self._error, self._position = error, position
        ratios = error / allowed
        joint = int(ratios.argmax())
        self._ratio = float(ratios[joint])
        if self._far.update(self._ratio > 1.0, stamp) <= timeout_s:
            return None
        return (
            FaultCode.TRACKING_ERROR,
            f"joint '{self._limits.names[joint]}' is {error[joint]:.3f} from its command for "
            f"longer than {timeout_s:g} s, its tolerance is {allowed[joint]:.3f}",
        )

    def outside(self, position: FloatArray, lag_s: float) -> Condition | None:
        """Return the joint that is measured outside its limits by more than its tolerance."""
        return measured_outside(self._limits, position, self._allowed(lag_s))

    def _allowed(self, lag_s: float) -> FloatArray:
        if self._allowed_for[0] != lag_s:  # a live parameter; computed when it changes
            by_velocity = lag_s * self._limits.velocity
            allowed = np.where(np.isnan(self._tolerances), by_velocity, self._tolerances)
            self._allowed_for = (lag_s, allowed)
        return self._allowed_for[1]

    def _at(self, time: float) -> FloatArray | None:
        """The command for ``time``; None before the first one."""
        later: tuple[float, FloatArray] | None = None
        for entry in reversed(self._commands):
            if entry[0] <= time:
                if later is None:
                    # A joint state whose clock is ahead of this one's.
                    assert self._window is not None
                    ahead: FloatArray = self._window.sample(time).position[0]
                    return ahead
                share = (time - entry[0]) / (later[0] - entry[0])
                return entry[1] + share * (later[1] - entry[1])
            later = entry
        return None


def measured_outside(
    limits: JointLimits, position: FloatArray, allowed: FloatArray
) -> Condition | None:
    """Return the joint that is measured [n] outside its limits by more than is allowed [n]."""
    excess = np.maximum(limits.lower - position, position - limits.upper)
    joint = int(np.argmax(excess - allowed))
    if excess[joint] <= allowed[joint]:
        return None
    return (
        FaultCode.LIMIT_VIOLATION,
        f"joint '{limits.names[joint]}' is measured at {position[joint]:.3f}, its limits are "
        f"{limits.lower[joint]:.3f} and {limits.upper[joint]:.3f}; move it back or correct "
        "the encoder",
    )


class LimitWatch:
    """Adds up the time at which a path was clamped by more than a tolerance."""

    def __init__(self, limits: JointLimits) -> None:
        """Take the joints."""
        self._names = limits.names
        self._velocity = limits.velocity
        self._beyond = ActiveTime(VIOLATION_WINDOW_S)

    def begin(self) -> None:
        """Forget another motion."""
        self._beyond.forget()

    def check(
        self, excess: FloatArray, now: float, tolerance_s: float, most_s: float
    ) -> Condition | None:
        """Note how far [n] the path lay outside the limits at this tick.

        Args:
            excess: rad or m, zero inside.
            now: s, ROS clock: a slow simulation has slow violations.
            tolerance_s: what a joint's velocity limit covers in this time (s) does not count.
            most_s: how much of the last ``VIOLATION_WINDOW_S`` may be worse.
        """
        beyond = bool(excess.any()) and bool((excess > tolerance_s * self._velocity).any())
        if self._beyond.update(beyond, now) <= most_s or not beyond:
            return None
        joint = int(np.argmax(excess / self._velocity))
        return (
            FaultCode.LIMIT_VIOLATION,
            f"the policy asks for positions of joint '{self._names[joint]}' that lie "
            f"{excess[joint]:.3f} outside its limits, for more than {most_s:g} s within "
            f"{VIOLATION_WINDOW_S:g} s",
        )
