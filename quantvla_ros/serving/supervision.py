# SPDX-License-Identifier: Apache-2.0
"""Every condition under which the arm must not move, judged at every control tick."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import Condition, FaultCode
from quantvla_ros.control.following import (
    ARMING_REACH_S,
    LimitWatch,
    TrackingWatch,
    measured_outside,
)
from quantvla_ros.control.limits import FloatArray
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.watchdog import stale
from quantvla_ros.control.window import Window
from quantvla_ros.serving.clock_watch import ClockFault, ClockWatch
from quantvla_ros.serving.drive import Drive
from quantvla_ros.serving.input_types import JointSample
from quantvla_ros.serving.parts import SessionParts

REST_SPEED = 0.05
"""rad/s or m/s; a joint that is faster moves, where no velocity limit of it is known."""


def tracking_tolerances(drive: Drive, given: Mapping[str, float]) -> FloatArray:
    """Return tolerances [n] as `TrackingWatch` takes them from the parameter (0: not watched)."""
    values = np.array([given.get(name, np.nan) for name in drive.limits.names], dtype=np.float64)
    values[(values == 0.0) | ~drive.watched] = np.inf
    return values


def jump_distances(names: Sequence[str], given: Mapping[str, float]) -> FloatArray:
    """Return distances [n] as `JumpWatch` takes them from the parameter (0: not watched)."""
    values = np.array([given.get(name, np.nan) for name in names], dtype=np.float64)
    values[values == 0.0] = np.inf
    return values


class Supervisor:
    """Owns the watches of inputs, output, clock and motion; knows nothing of topics."""

    def __init__(self, parts: SessionParts, skewed_s: Callable[[], float]) -> None:
        """Take the parts, and for how long (s) no set of inputs was of one instant."""
        robot = parts.robot
        self._trained, self._drive, self._buffer = parts.policy.trained, robot.drive, robot.buffer
        self._parameters = parts.parameters
        self._graph = parts.graph
        self._skewed_s = skewed_s
        self.clock = ClockWatch(parts.graph.clocks.simulated)
        self._tracking = TrackingWatch(robot.drive.limits, parts.period_s, robot.tolerances)
        self._limits = LimitWatch(robot.drive.limits)

    @property
    def tracking_ratio(self) -> float:
        """Newest distance of the arm from its command as a share of its tolerance."""
        return self._tracking.ratio

    def begin_motion(self) -> None:
        """Forget the motion before."""
        self._tracking.begin()
        self._limits.begin()

    def published(self, window: Window) -> None:
        """Note a window that the arm is to follow."""
        self._tracking.commanded(window)

    def conditions(self, now: float) -> list[Condition]:
        """Return what refuses arming, and stops an armed arm, at ``now`` (s, ROS clock)."""
        parameters = self._parameters()
        found = self._untrusted(now)
        found += stale(self._buffer.sources(), now)
        sample = self._buffer.newest_joints()
        if sample is not None:
            far = self._trained.outside(sample.positions, parameters.max_state_deviation)
            found += [far] if far is not None else []
        # A source that falls silent looks skewed first; it is to be named as what it is.
        patience = max(
            parameters.skew_timeout_s, parameters.max_camera_age_s, parameters.max_joint_age_s
        )
        if self._skewed_s() > patience:
            text = self._describe_skew(parameters.max_skew_s, patience)
            found.append((FaultCode.SKEWED_INPUTS, text))
        conflict = self._graph.output.conflict
        if conflict is not None:
            found.append(conflict)
        return found

    def refusals(self, now: float) -> list[Condition]:
        """Return what refuses arming and is known at any time: two clocks, and `conditions`.

        Two clocks do not stop an armed arm before they differ, which is a jump of the clock.
        """
        two_clocks = self._graph.clocks.conflict
        return ([two_clocks] if two_clocks is not None else []) + self.conditions(now)

    def before_arming(self, now: float) -> list[Condition]:
        """Return what refuses arming: `refusals`, and an arm measured outside its limits."""
        found = self.refusals(now)
        sample = self._buffer.newest_joints()
        if sample is not None:
            limits = self._drive.limits
            position, _ = self._drive.measured(sample)
            outside = measured_outside(limits, position, ARMING_REACH_S * limits.velocity)
            found += [outside] if outside is not None else []
        return found

    def moving_joint(self) -> str:
        """Name of a joint that moves although the drive's axes say nothing of it; else empty."""
        sample = self._buffer.newest_joints()
        if sample is None or self._drive.watched.all():
            return ""
        fast = np.flatnonzero(np.abs(sample.velocities) > REST_SPEED)
        return self._buffer.joints[fast[0]] if fast.size else ""

    def _untrusted(self, now: float) -> list[Condition]:
        """Why the joint states are not those of one robot, and who publishes them."""
        found = self._buffer.joint_conditions(now)
        return [(code, text + self._graph.joints.text) for code, text in found]

    def at_once(self, position: FloatArray, now: float) -> Condition | None:
        """Return why a new joint state, measured at ``position`` [n], stops an armed arm at once.

        It is not to be trusted, or is one that no arm that follows its commands can have.
        """
        outside = self._tracking.outside(position, self._parameters().tracking_lag_s)
        return next(iter(self._untrusted(now)), outside)

    def clock_fault(self, now: float, steady: float) -> ClockFault | None:
        """Compare the clocks; to be called at every tick."""
        parameters = self._parameters()
        fault = self.clock.check(
            now, steady, parameters.clock_timeout_s, parameters.max_clock_step_s
        )
        if fault is not None and self._graph.clocks.conflict is not None:
            fault = replace(fault, text=f"{fault.text}: {self._graph.clocks.conflict[1]}")
        return fault

    def watch(self, motion: MotionController, now: float) -> None:
        """Raise every fault that an armed arm has at ``now``; the first one is latched."""
        if motion.mode is not Mode.ARMED:
            return
        parameters = self._parameters()
        for code, text in self.conditions(now):
            motion.raise_fault(code, text, now)
        violation = self._limits.check(
            motion.excess, now, parameters.limit_tolerance_s, parameters.max_violation_s
        )
        sample = self._buffer.newest_joints()
        lost = None if sample is None else self._follows(sample)
        if lost is not None:
            motion.give_way(self._tracking.measured)
        motion.metrics.tracked(self._tracking.error[self._drive.watched])
        failed = next(filter(None, (gripper.trouble() for gripper in self._drive.grippers)), None)
        for condition in (violation, lost, failed):
            if condition is not None:
                motion.raise_fault(*condition, now)

    def _follows(self, sample: JointSample) -> Condition | None:
        parameters = self._parameters()
        return self._tracking.check(
            sample.stamp,
            self._drive.measured(sample)[0],
            parameters.tracking_lag_s,
            parameters.tracking_timeout_s,
        )

    def _describe_skew(self, skew_s: float, patience_s: float) -> str:
        cameras, joints = self._buffer.stamps()
        stamps = {f"camera '{name}'": stamp for name, stamp in cameras.items()}
        stamps["joint states"] = -np.inf if joints is None else joints
        first, last = min(stamps, key=stamps.__getitem__), max(stamps, key=stamps.__getitem__)
        return (
            f"the stamps of the inputs differ by more than {skew_s:g} s for more than "
            f"{patience_s:g} s: {first} lies behind {last}"
        )
