# SPDX-License-Identifier: Apache-2.0
"""A continuous joint goes the short way, however many turns away its encoder or its policy is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantvla_ros.control.config import Mode
from quantvla_ros.control.faults import FaultCode
from quantvla_ros.control.following import TrackingWatch
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.turns import TURN, nearest_turn, unwrapped

PERIOD, DT, START = 0.02, 0.1, 1.7e9
BOTH = np.array([True, False])
LIMITS = JointLimits(
    ("wheel", "elbow"), [-np.inf, -9.0], [np.inf, 9.0], [2.0] * 2, [9.0] * 2, [99.0] * 2
)


@given(st.floats(-40.0, 40.0), st.floats(-40.0, 40.0))
def test_the_nearest_turn_is_the_same_angle_within_half_a_turn(angle, to):
    found = nearest_turn(np.array([angle, angle]), np.array([to, to]), BOTH)
    assert found[1] == angle, "a joint with limits has no equivalents"
    assert abs(found[0] - to) <= np.pi + 1e-9
    assert np.isclose(np.sin(found[0]), np.sin(angle)) and np.isclose(
        np.cos(found[0]), np.cos(angle)
    )


@given(st.integers(-5, 5), st.floats(-3.0, 3.0))
def test_a_wrapped_path_becomes_a_straight_one(turns, first):
    straight = np.stack([first + 0.4 * np.arange(1.0, 31.0)] * 2, axis=1)
    wrapped = np.remainder(straight + np.pi, TURN) - np.pi
    start = np.array([first + turns * TURN, first])
    made = unwrapped(wrapped, start, BOTH)
    np.testing.assert_allclose(made[:, 0], straight[:, 0] + turns * TURN, atol=1e-9)
    np.testing.assert_array_equal(made[:, 1], wrapped[:, 1])


def wrap(angle):
    return float(np.remainder(angle + np.pi, TURN) - np.pi)


class Arm:
    """Follows its windows; its policy speaks of angles in one turn, so may its encoder."""

    def __init__(self, wheel: float, encoder=lambda angle: angle) -> None:
        self.now, self.encoder = START, encoder
        self.true = np.array([wheel, 0.0])
        self.motion = MotionController(LIMITS, PERIOD)
        self.motion.activate(self.now)
        self.windows = []
        self.see()
        self.motion.arm(self.now)

    def see(self) -> None:
        shown = np.array([self.encoder(self.true[0]), self.true[1]])
        self.motion.observe_joints(self.now, shown, np.zeros(2))

    def run(self, seconds, wheel) -> None:
        """`wheel`: what the policy asks for at times from the start."""
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            self.see()
            if self.motion.wants_chunk(self.now):
                due = self.now + DT * np.arange(1, 17) - START
                rows = np.array([[wheel(t), 0.3] for t in due])
                assert self.motion.offer_chunk(rows, self.now, DT) is None
            window = self.motion.tick(self.now)
            if window is not None:
                self.windows.append(window)
                self.true = window.now.position[0].copy()
        assert self.motion.mode is Mode.ARMED

    def travelled(self) -> float:
        return float(np.ptp(np.concatenate([w.positions[:, 0] for w in self.windows])))


@pytest.mark.parametrize("turns", [-2, -1, 0, 1])
def test_a_policy_one_turn_away_moves_the_joint_by_the_difference_only(turns):
    arm = Arm(wheel=0.7 + turns * TURN)
    arm.run(3.0, lambda t: 0.9)
    assert arm.true[0] == pytest.approx(0.9 + turns * TURN, abs=1e-3)
    assert arm.travelled() < 0.25
    assert arm.true[1] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("encoder", [lambda angle: angle, wrap])
def test_a_joint_turns_on_through_the_end_of_a_turn(encoder):
    """At 0.8 rad/s for more than a turn: neither policy nor encoder ever says more than pi."""
    arm = Arm(wheel=wrap(2.5), encoder=encoder)
    arm.run(9.0, lambda t: wrap(2.5 + 0.8 * t))
    firsts = np.array([w.positions[0, 0] for w in arm.windows])
    assert np.abs(np.diff(firsts)).max() < 2.0 * PERIOD * 1.01
    assert arm.true[0] == pytest.approx(2.5 + 0.8 * 9.0, abs=0.3)


@pytest.mark.parametrize("turns", [-1, 1, 3])
def test_tracking_looks_at_the_nearest_turn(turns):
    watch = TrackingWatch(LIMITS, PERIOD, np.full(2, 0.1))
    arm = Arm(wheel=0.7)
    arm.run(4.0, lambda t: 0.7)
    watch.commanded(arm.windows[-1])
    begin = arm.windows[-1].begin
    for k, off in enumerate((0.0, 0.05, 0.2, 0.2)):
        measured = arm.windows[-1].positions[0] + [off + turns * TURN, 0.0]
        found = watch.check(begin + k, measured, 0.1, 0.3)
        assert watch.ratio == pytest.approx(off / 0.1)
        assert (found is not None) is (k == 3)
    assert found[0] is FaultCode.TRACKING_ERROR
    assert "'wheel' is 0.200 from its command" in found[1]


def test_after_a_clock_that_went_back_the_joint_holds_in_the_turn_that_is_measured():
    arm = Arm(wheel=0.7)
    arm.run(1.0, lambda t: 0.7 + t)
    held = arm.true[0]
    arm.now -= 1000.0
    arm.motion.begin_again(arm.now)
    arm.motion.observe_joints(arm.now, np.array([held - TURN, arm.true[1]]), np.zeros(2))
    window = arm.motion.tick(arm.now)
    assert window.positions[0, 0] == pytest.approx(held - TURN, abs=0.1)
