# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.following import LimitWatch, TrackingWatch
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.window import Window

PERIOD, LAG, TIMEOUT = 0.02, 0.1, 0.3
SPEED = np.array([0.5, 0.01])
LIMITS = JointLimits(
    ("shoulder", "finger"), [-2.0, 0.0], [2.0, 0.04], [2.0, 0.1], [9.0, 9.0], [99.0, 99.0]
)


class Rig:
    """An arm that is told to move at a constant velocity and is measured with an error."""

    def __init__(self, tolerances=(np.nan, np.nan)) -> None:
        self.watch = TrackingWatch(LIMITS, PERIOD, np.array(tolerances))
        self.now = 50.0
        self.behind = 0.013

    def window(self) -> Window:
        times = np.array([PERIOD, 0.5])
        rates = np.tile(SPEED, (2, 1))
        positions = np.stack([self.command(self.now + time) for time in times])
        return Window(self.now, times, positions, rates, np.zeros((2, 2)))

    def run(self, seconds: float, error=(0.0, 0.0)):
        found = None
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            self.watch.commanded(self.window())
            stamp = self.now - self.behind
            found = self.watch.check(stamp, self.command(stamp) + np.array(error), LAG, TIMEOUT)
        return found

    def command(self, time: float):
        return SPEED * (time - 50.0)


def test_arm_that_follows_is_fine_and_the_error_is_known() -> None:
    rig = Rig()
    assert rig.run(2.0, (0.15, -0.005)) is None
    assert rig.watch.ratio == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("error", "name"), [((0.3, 0.0), "shoulder"), ((0.0, 0.02), "finger"), ((0.21, 0.02), "finger")]
)
def test_joint_beyond_what_its_velocity_covers_in_the_lag(error, name) -> None:
    rig = Rig()
    assert rig.run(1.0) is None
    assert rig.run(0.28, error) is None, "it has some time to come back"
    code, text = rig.run(0.1, error)
    assert code is FaultCode.TRACKING_ERROR
    assert f"'{name}'" in text


def test_error_for_a_moment_is_forgiven() -> None:
    rig = Rig()
    for _ in range(5):
        assert rig.run(0.2, (0.5, 0.0)) is None
        assert rig.run(0.1) is None


def test_joint_with_a_tolerance_of_its_own() -> None:
    assert Rig((0.5, np.inf)).run(2.0, (0.4, 0.04)) is None
    assert Rig((0.01, np.inf)).run(2.0, (0.02, 0.0)) is not None


def test_nothing_is_compared_before_the_first_command() -> None:
    watch = TrackingWatch(LIMITS, PERIOD, np.array([0.01, 0.01]))
    for k in range(100):
        assert watch.check(50.0 + k * PERIOD, np.array([9.0, 9.0]), LAG, TIMEOUT) is None
    assert watch.ratio == 0.0


def test_joint_states_whose_clock_is_ahead_are_compared_with_what_the_arm_will_do() -> None:
    rig = Rig()
    rig.behind = -0.15
    assert rig.run(2.0, (0.15, 0.0)) is None
    assert rig.watch.ratio == pytest.approx(0.75)
    assert rig.run(1.0, (0.5, 0.0)) is not None


def test_begin_forgets_the_motion_before() -> None:
    rig = Rig()
    rig.run(1.0, (0.1, 0.0))
    rig.watch.begin()
    assert rig.watch.ratio == 0.0
    rig.now = 20.0  # a clock that was set back does not matter
    assert rig.run(1.0, (0.5, 0.0)) is not None


@pytest.mark.parametrize(
    ("position", "outside"),
    [([0.0, 0.02], None), ([2.19, 0.0], None), ([2.3, 0.0], "shoulder"), ([0.0, -0.02], "finger")],
)
def test_measured_position_outside_the_limits(position, outside) -> None:
    found = Rig().watch.outside(np.array(position), LAG)
    if outside is None:
        assert found is None
        return
    assert found[0] is FaultCode.LIMIT_VIOLATION
    assert f"'{outside}'" in found[1]


class Limited:
    """A watch and the time that it is told."""

    def __init__(self, limits=LIMITS) -> None:
        self.watch = LimitWatch(limits)
        self.now = 50.0
        self.run([0.0] * len(limits.names), PERIOD)

    def run(self, excess, seconds: float):
        found = None
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            found = self.watch.check(np.array(excess), self.now, 0.1, 0.5)
        return found


def test_violation_that_goes_on() -> None:
    limited = Limited()
    assert limited.run([0.5, 0.0], 0.48) is None
    code, text = limited.run([0.5, 0.0], 0.06)
    assert code is FaultCode.LIMIT_VIOLATION
    assert "'shoulder'" in text


def test_violations_now_and_then_add_up() -> None:
    limited = Limited()
    found = None
    for _ in range(5):
        assert limited.run([0.0, 0.0], 0.5) is None
        found = limited.run([0.0, 0.02], 0.12)
    assert "'finger'" in found[1]
    assert limited.run([0.0, 0.0], 5.0) is None
    assert limited.run([0.0, 0.02], 0.4) is None, "what is long ago does not count"


def test_small_excess_and_joints_without_limits_are_no_violation() -> None:
    assert Limited().run([0.19, 0.009], 9.0) is None
    endless = JointLimits(("wheel",), [-np.inf], [np.inf], [2.0], [9.0], [99.0])
    assert Limited(endless).run([0.0], 9.0) is None


def test_begin_forgets_violations() -> None:
    limited = Limited()
    limited.run([0.5, 0.0], 0.48)
    limited.watch.begin()
    assert limited.run([0.5, 0.0], 0.48) is None
