# SPDX-License-Identifier: Apache-2.0
"""Faults of the motion controller at bad moments: two at once, while blending, while stopping."""

from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.motion import MotionController
from quantvla_ros.errors import QuantVLAError

PERIOD, DT, START = 0.02, 0.1, 1.7e9
SHAPE = np.array([0.3, 0.15, 0.3, 0.01])
TEXT = "a test"


class Arm:
    """A controller that waves the arm; checks every window against limits and the one before."""

    def __init__(self, limits, home) -> None:
        self.limits, self.home, self.now = limits, home, START
        self.motion = MotionController(limits, PERIOD)
        self.last = None
        self.motion.activate(self.now)
        self.see()

    def see(self) -> None:
        at = self.home if self.last is None else self.last.positions[-1]
        self.motion.observe_joints(self.now, at, np.zeros(4))

    def tick(self, feed: bool = True):
        self.now += PERIOD
        if feed and self.motion.wants_chunk(self.now):
            due = self.now + DT * np.arange(1, 17) - START
            waves = self.home + 0.1 + np.sin(2 * due)[:, None] * SHAPE
            self.motion.offer_chunk(waves, self.now, DT)
        window = self.motion.tick(self.now)
        if window is not None:
            self.check(window)
            self.last = window
        return window

    def check(self, window) -> None:
        limits = self.limits
        assert (np.abs(window.velocities) <= limits.velocity * (1 + 1e-9)).all()
        assert (np.abs(window.accelerations) <= limits.acceleration * (1 + 1e-9)).all()
        assert not window.velocities[-1].any()
        if self.last is not None and window.begin >= self.last.start:
            for at in np.linspace(max(window.start, self.last.start), window.begin, 7):
                for new, old in zip(window.sample(at), self.last.sample(at), strict=True):
                    np.testing.assert_allclose(new, old, atol=1e-9)

    def run(self, seconds: float, feed: bool = True) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.tick(feed)

    def raise_fault(self, code=FaultCode.STALE_CAMERA) -> None:
        self.motion.raise_fault(code, TEXT, self.now)

    def until_rest(self) -> None:
        for _ in range(200):
            if self.tick() is None and self.motion.at_rest:
                return
        raise AssertionError("the arm does not come to rest")


@pytest.fixture
def arm(limits, home) -> Arm:
    return Arm(limits, home)


@pytest.mark.parametrize("ticks", [0, 1, 5, 15])
def test_fault_during_the_blend_from_rest_stops_within_limits(arm, ticks) -> None:
    arm.run(0.5)
    arm.motion.arm(arm.now)
    arm.run(ticks * PERIOD)
    arm.raise_fault()
    arm.until_rest()
    assert arm.motion.mode is Mode.FAULT
    assert arm.motion.at_rest


@pytest.mark.parametrize("ticks", [0, 8])
def test_two_faults_latch_the_first_and_stop_once(arm, ticks) -> None:
    arm.motion.arm(arm.now)
    arm.run(1.4)
    arm.raise_fault()
    arm.run(ticks * PERIOD)
    arm.raise_fault(FaultCode.WORKER_DIED)
    arm.until_rest()
    assert arm.motion.fault.code is FaultCode.STALE_CAMERA
    assert arm.motion.fault_counts == {FaultCode.STALE_CAMERA: 1, FaultCode.WORKER_DIED: 1}
    assert [f.code for f in arm.motion.raised] == [FaultCode.STALE_CAMERA, FaultCode.WORKER_DIED]


@pytest.mark.parametrize("ticks", [0, 4])
@pytest.mark.parametrize("end", ["disarm", "deactivate"])
def test_fault_during_a_deceleration_goes_on_with_it(arm, end, ticks) -> None:
    arm.motion.arm(arm.now)
    arm.run(1.4)
    getattr(arm.motion, end)(arm.now)
    arm.run(ticks * PERIOD)
    arm.raise_fault()
    arm.until_rest()
    assert arm.motion.mode is (Mode.FAULT if end == "disarm" else Mode.INACTIVE)
    assert arm.motion.fault is not None


def test_deactivation_during_the_stop_of_a_fault_keeps_the_fault(arm) -> None:
    arm.motion.arm(arm.now)
    arm.run(1.4)
    arm.raise_fault()
    arm.run(0.06)
    arm.motion.deactivate(arm.now)
    arm.until_rest()
    assert arm.motion.mode is Mode.INACTIVE
    arm.motion.activate(arm.now)
    assert arm.motion.mode is Mode.FAULT
    with pytest.raises(QuantVLAError, match="STALE_CAMERA"):
        arm.motion.arm(arm.now)
    arm.motion.reset_fault(arm.now)
    arm.see()
    arm.motion.arm(arm.now)


def move(arm, during: str) -> None:
    """Bring the arm into a state in which the clock may jump."""
    if during not in ("dry run", "inactive"):
        arm.motion.arm(arm.now)
        arm.run(1.4)
    if during == "stop":
        arm.motion.disarm(arm.now)
        arm.run(0.06)
    elif during in ("deactivation", "inactive"):
        arm.motion.deactivate(arm.now)


def jump(arm, seconds: float) -> None:
    arm.now += seconds
    moving = arm.motion.mode is Mode.ARMED
    arm.motion.begin_again(arm.now)
    if moving:
        arm.raise_fault(FaultCode.CLOCK_JUMP)


def check_mode(arm, during: str) -> None:
    wanted = {"motion": Mode.FAULT, "deactivation": Mode.INACTIVE, "inactive": Mode.INACTIVE}
    assert arm.motion.mode is wanted.get(during, Mode.DRY_RUN)
    assert arm.motion.at_rest


def to_dry_run(arm) -> None:
    if arm.motion.mode is Mode.INACTIVE:
        arm.motion.activate(arm.now)
    elif arm.motion.fault is not None:
        arm.motion.reset_fault(arm.now)


def go_on(arm) -> None:
    """The arm can be armed again, with a joint state of the new time."""
    to_dry_run(arm)
    arm.see()
    arm.last = None
    arm.motion.arm(arm.now)
    arm.run(2.0)
    assert arm.motion.mode is Mode.ARMED


@pytest.mark.parametrize("during", ["motion", "stop", "deactivation", "dry run", "inactive"])
def test_clock_that_jumps_ahead_ends_every_motion_without_a_command(arm, during) -> None:
    move(arm, during)
    jump(arm, 0.5)
    check_mode(arm, during)
    assert arm.tick() is None
    to_dry_run(arm)
    with pytest.raises(QuantVLAError, match="no joint state"):
        arm.motion.arm(arm.now)
    go_on(arm)


@pytest.mark.parametrize("during", ["dry run", "inactive"])
def test_clock_that_goes_back_while_the_arm_rests_commands_nothing(arm, during) -> None:
    move(arm, during)
    jump(arm, -1000.0)
    check_mode(arm, during)
    assert arm.tick() is None
    to_dry_run(arm)
    with pytest.raises(QuantVLAError, match="no joint state"):
        arm.motion.arm(arm.now)
    go_on(arm)


@pytest.mark.parametrize("back", [0.3, 1000.0])
@pytest.mark.parametrize("during", ["motion", "stop", "deactivation"])
def test_arm_is_told_to_hold_after_the_clock_went_back(arm, during, back) -> None:
    """A window that was under way would else begin a slow motion without limits."""
    move(arm, during)
    commanded = arm.last.now.position[0]
    jump(arm, -back)
    assert not arm.motion.at_rest
    assert arm.tick() is None  # nothing is known yet
    arm.last = None
    # A scene's reset has moved the first joint; the others are where they ought to be.
    measured = commanded + np.array([0.8, 0.01, -0.01, 0.001])
    arm.motion.observe_joints(arm.now, measured, np.array([0.5, 0.0, 0.0, 0.0]))
    approach = arm.tick()
    silence = [arm.tick() for _ in range(10)]
    assert silence == [None] * 10 and not arm.motion.at_rest  # the arm is on its way
    told_again = arm.tick() or arm.tick()
    assert approach.begin - approach.stamp > 0.15  # time to get there
    for window in (approach, told_again):
        assert not window.velocities.any()
        np.testing.assert_allclose(window.positions[:, 0], measured[0])
        np.testing.assert_allclose(window.positions[:, 1:] - commanded[1:], 0.0, atol=0.05)
    arm.until_rest()
    check_mode(arm, during)
    assert arm.now - START < 1.4 + 0.1 - back + 0.5
    go_on(arm)


def test_arm_is_told_to_hold_although_windows_were_withdrawn(arm) -> None:
    move(arm, "motion")
    jump(arm, -1000.0)
    arm.see()
    arm.last = None
    for _ in range(30):  # longer than it holds
        assert arm.tick() is not None
        arm.motion.withdraw()
    assert arm.tick() is not None
    arm.until_rest()
    check_mode(arm, "motion")


def test_clock_that_went_back_without_a_joint_state_leaves_the_arm_alone(arm) -> None:
    move(arm, "motion")
    jump(arm, -1000.0)
    with pytest.raises(QuantVLAError, match="still decelerates"):
        arm.motion.reset_fault(arm.now)
    for _ in range(round(arm.motion.config.joint_state_age_s / PERIOD) + 2):
        assert arm.tick() is None
    check_mode(arm, "motion")
    to_dry_run(arm)
    with pytest.raises(QuantVLAError, match="no joint state"):
        arm.motion.arm(arm.now)
    go_on(arm)


def test_clock_that_goes_back_and_ahead_again_commands_nothing_more(arm) -> None:
    move(arm, "motion")
    jump(arm, -5.0)
    jump(arm, 5.0)
    arm.see()
    assert arm.tick() is None
    check_mode(arm, "motion")
    go_on(arm)


@pytest.mark.parametrize("value", [1e5, -1e300, 1.7e308])
def test_number_that_no_joint_has_is_refused(arm, value) -> None:
    arm.motion.arm(arm.now)
    arm.run(1.0)
    chunk = np.tile(arm.home, (16, 1))
    chunk[2, 1] = value
    assert arm.motion.offer_chunk(chunk, arm.now, DT) is FaultCode.NONFINITE_ACTION
    assert "row 2" in arm.motion.fault.text
    arm.until_rest()


def test_chunk_of_the_future_is_refused(arm) -> None:
    chunk = np.tile(arm.home, (16, 1))
    assert arm.motion.offer_chunk(chunk, arm.now + 5.0, DT) is FaultCode.NONFINITE_ACTION
    assert "5.0 s in the future" in arm.motion.fault.text


def test_excess_of_a_path_outside_the_limits_is_known(arm) -> None:
    arm.motion.arm(arm.now)
    arm.run(0.5)
    chunk = np.tile(arm.limits.upper + np.array([0.5, -0.1, -0.1, -0.01]), (16, 1))
    arm.motion.offer_chunk(chunk, arm.now, DT)
    arm.run(0.8, feed=False)
    assert arm.motion.excess[0] == pytest.approx(0.5)
    assert not arm.motion.excess[1:].any()


def test_underrun_tells_why_no_chunk_came(arm) -> None:
    arm.motion.arm(arm.now)
    arm.run(1.4)
    arm.motion.missing = "old_frame_wrist"
    arm.run(3.0, feed=False)
    assert arm.motion.fault.code is FaultCode.CHUNK_UNDERRUN
    assert arm.motion.fault.text.endswith("came (old_frame_wrist)")
