# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from quantvla_ros.control.config import Mode
from quantvla_ros.control.limits import JointLimits
from quantvla_ros.control.motion import MotionController
from quantvla_ros.control.twist import TwistLimits, joined, limited_twist, twist_axes

LIMITS = TwistLimits(0.2, 1.0, 1.0, 4.0)
NAMES = ("x", "y", "z", "rx", "ry", "rz")
PERIOD, DT, START = 0.02, 0.1, 1.7e9
LEFT = np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.5])


def test_parts_that_are_too_long_keep_their_direction() -> None:
    twist = np.array([[0.3, 0.0, 0.4, 0.0, 0.5, 0.0], [0.0, 0.1, 0.0, 0.0, 0.0, -2.0]])
    got = limited_twist(twist, LIMITS)
    np.testing.assert_allclose(got[0], [0.12, 0.0, 0.16, 0.0, 0.5, 0.0])
    np.testing.assert_allclose(got[1], [0.0, 0.1, 0.0, 0.0, 0.0, -1.0])
    np.testing.assert_array_equal(limited_twist(np.zeros(6), LIMITS), np.zeros(6))


def test_the_tip_has_limits_one_derivative_higher_and_the_gripper_keeps_its_own() -> None:
    one = np.ones(1)
    axes = joined(twist_axes(NAMES, LIMITS), JointLimits(("finger",), 0 * one, one, one, one, one))
    assert axes.names == (*NAMES, "finger")
    np.testing.assert_array_equal(axes.upper, [0.2, 0.2, 0.2, 1, 1, 1, 1])
    np.testing.assert_array_equal(axes.lower, [-0.2, -0.2, -0.2, -1, -1, -1, 0])
    np.testing.assert_array_equal(axes.velocity, [1, 1, 1, 4, 4, 4, 1])


def test_what_is_not_finite_stays_so() -> None:
    with np.errstate(invalid="ignore"):
        for value in (np.nan, np.inf):
            assert not np.isfinite(limited_twist(np.full((2, 6), value), LIMITS)).any()


class Rig:
    def __init__(self) -> None:
        axes = twist_axes(NAMES, LIMITS)
        self.c = MotionController(axes, PERIOD, speeds=np.ones(6, dtype=bool))
        self.now = START
        self.c.activate(self.now)
        self.see()
        self.twists: list[np.ndarray] = []

    def see(self) -> None:
        self.c.observe_joints(self.now, np.zeros(6), np.zeros(6))

    def chunk(self, twist, age: float = 0.1) -> None:
        self.c.offer_chunk(np.tile(twist, (30, 1)), self.now - age, DT)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / PERIOD)):
            self.now += PERIOD
            self.see()
            window = self.c.tick(self.now)
            self.twists.append(np.zeros(6) if window is None else window.positions[0])

    def steps(self) -> np.ndarray:
        return np.abs(np.diff(self.twists, axis=0))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_armed_it_rises_from_zero_to_the_twist_of_a_chunk(rig) -> None:
    rig.c.arm(rig.now)
    rig.chunk(LEFT)
    rig.run(1.5)
    np.testing.assert_allclose(rig.twists[-1], LEFT, atol=1e-6)
    assert np.abs(rig.twists).max(axis=0) == pytest.approx(LEFT, abs=1e-3)
    assert (rig.steps() <= rig.c._limits.velocity * PERIOD * 1.001).all()


@pytest.mark.parametrize("period", [0.005, 0.01, 0.02])
def test_twists_come_at_every_tick_from_the_first_one_on(period) -> None:
    c = MotionController(twist_axes(NAMES, LIMITS), period, speeds=np.ones(6, dtype=bool))
    c.activate(START)
    c.observe_joints(START, np.zeros(6), np.zeros(6))
    c.arm(START)
    for tick in range(1, 20):
        assert c.tick(START + tick * period).now.position.shape == (1, 6)


def test_a_chunk_is_no_reason_to_catch_up_and_another_one_is_blended_to(rig) -> None:
    rig.c.arm(rig.now)
    for _ in range(6):
        rig.chunk(LEFT, age=0.3)
        rig.run(0.5)
    np.testing.assert_allclose(rig.twists[-1], LEFT, atol=1e-6)
    assert np.abs(rig.twists).max(axis=0) == pytest.approx(LEFT, abs=1e-3)
    rig.chunk(-LEFT)
    rig.run(1.5)
    np.testing.assert_allclose(rig.twists[-1], -LEFT, atol=1e-6)
    assert rig.c.metrics.chunk_gap == pytest.approx(1.0)
    assert (rig.steps() <= rig.c._limits.velocity * PERIOD * 1.001).all()


@pytest.mark.parametrize("twist", [LEFT, 5 * LEFT])
@pytest.mark.parametrize("after", [0.05, 0.13, 0.6])
def test_a_stop_ends_in_a_zero_twist(rig, twist, after) -> None:
    """Also one that begins while the twist still rises, towards more than is allowed."""
    rig.c.arm(rig.now)
    rig.chunk(twist)
    rig.run(after)
    rig.c.disarm(rig.now)
    rig.run(1.6)
    assert rig.c.mode is Mode.DRY_RUN and rig.c.at_rest
    last = max(k for k, value in enumerate(rig.twists) if value.any())
    assert np.abs(rig.twists[last]).max() < 1e-3
    assert (np.abs(rig.twists) <= [*[0.2] * 3, *[1.0] * 3]).all()
    assert (rig.steps() <= rig.c._limits.velocity * PERIOD * 1.001).all()


def test_a_chunk_that_ends_is_a_fault_and_not_a_twist_for_ever(rig) -> None:
    rig.c.arm(rig.now)
    rig.chunk(LEFT)
    rig.run(4.0)
    assert rig.c.mode is Mode.FAULT and rig.c.at_rest
    assert not np.any(rig.twists[-1])


def test_dropped_chunks_leave_an_armed_tip_that_rests(rig) -> None:
    rig.c.arm(rig.now)
    rig.chunk(LEFT)
    rig.run(0.6)
    rig.c.drop_chunks(rig.now)
    rig.run(1.0)
    assert rig.c.mode is Mode.ARMED
    np.testing.assert_allclose(rig.twists[-1], 0.0, atol=1e-6)


def test_after_a_pause_in_which_servo_stopped_speeds_begin_at_zero(rig) -> None:
    rig.c.arm(rig.now)
    rig.chunk(LEFT)
    rig.run(1.0)
    assert rig.twists[-1] == pytest.approx(LEFT)
    rig.now += 0.15
    rig.c.stop_speeds()
    rig.run(PERIOD)
    assert np.abs(rig.twists[-1]).max() < 1e-9
    rig.twists.clear()
    rig.chunk(LEFT)
    rig.run(1.0)
    assert (rig.steps() <= rig.c._limits.velocity * PERIOD * 1.001).all()
    assert rig.twists[-1] == pytest.approx(LEFT, abs=1e-6)
