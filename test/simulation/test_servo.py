# SPDX-License-Identifier: Apache-2.0
"""Rules of MoveIt Servo, on a planar arm whose kinematics can be written down."""

from __future__ import annotations

import numpy as np
import pytest

from simulation.servo import LIMIT_MARGIN_RAD, ServoLimits, TwistServo

PERIOD = 0.004
LIMITS = ServoLimits(
    lower=np.full(3, -2.0),
    upper=np.full(3, 2.0),
    velocity=np.array([1.0, 1.0, 1.0]),
    acceleration=np.array([10.0, 10.0, 10.0]),
)
START = np.array([0.3, 0.6, 0.4])


def tip(q):
    """Position and heading of a planar arm with three links of 0.5 m."""
    angles = np.cumsum(q)
    return 0.5 * np.array([np.cos(angles).sum(), np.sin(angles).sum()]), angles[-1]


def tip_kinematics(q):
    jacobian = np.zeros((6, 3))
    for k in range(3):
        h = np.zeros(3)
        h[k] = 1e-6
        jacobian[:2, k] = (tip(q + h)[0] - tip(q - h)[0]) / 2e-6
    jacobian[5] = 1.0
    c, s = np.cos(tip(q)[1]), np.sin(tip(q)[1])
    return jacobian, np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def servo():
    return TwistServo(LIMITS, tip_kinematics, "base", "tip")


def twist(x=0.0, y=0.0, turn=0.0):
    return np.array([x, y, 0, 0, 0, turn])


def run(s, start, until, command=None, resend=True):
    """Step; resend the command with a fresh stamp each 20 ms. Returns times, positions."""
    times, positions = [], []
    for k in range(round((until - start) / PERIOD)):
        now = start + k * PERIOD
        if command is not None and (k == 0 or (resend and k % 5 == 0)):
            vector, frame = command
            assert s.submit(vector, frame, now, now, START) is None
        if not s.active:
            break
        times.append(now)
        positions.append(s.step(now, PERIOD))
    return np.array(times), np.array(positions)


def test_moves_the_tip_with_the_velocity_sent_in_the_base_frame():
    _, q = run(servo(), 1.0, 1.5, (twist(x=-0.1, y=0.05, turn=0.2), "base"))
    a, b = tip(q[50]), tip(q[100])
    np.testing.assert_allclose((b[0] - a[0]) / (50 * PERIOD), [-0.1, 0.05], rtol=0.03)
    np.testing.assert_allclose((b[1] - a[1]) / (50 * PERIOD), 0.2, rtol=0.03)


def test_a_twist_in_the_tip_frame_is_turned_into_the_base_frame():
    _, q = run(servo(), 1.0, 1.5, (twist(x=-0.1), "tip"))
    moved = tip(q[-1])[0] - tip(q[-11])[0]
    heading = tip(q[-6])[1]
    expected = -0.1 * 10 * PERIOD * np.array([np.cos(heading), np.sin(heading)])
    np.testing.assert_allclose(moved, expected, atol=5e-5)


def test_a_stale_stamp_halts_smoothly_and_then_the_servo_lets_go():
    s = servo()
    times, q = run(s, 1.0, 2.0, (twist(x=-0.2), "base"), resend=False)
    v = np.diff(q, axis=0, prepend=START[None]) / PERIOD
    speed = np.abs(v).max(axis=1)
    assert speed[times < 1.09].max() > 0.05
    np.testing.assert_allclose(speed[-1], 0, atol=1e-12)
    assert 1.1 <= times[-1] < 1.3 and not s.active
    assert np.abs(np.diff(v, axis=0) / PERIOD).max() <= 10.0 * 1.001


def test_an_unstamped_twist_is_ignored_silently():
    s = servo()
    assert s.submit(twist(x=0.1), "base", 0.0, 5.0, START) is None
    assert not s.active


def test_a_twist_that_arrives_stale_moves_nothing():
    s = servo()
    assert s.submit(twist(x=0.1), "base", 4.9, 5.0, START) is None
    assert not s.active
    assert s.submit(twist(x=0.1), "base", 4.91, 5.0, START) is None
    assert s.active


@pytest.mark.parametrize(
    ("vector", "frame", "reason"),
    [
        (twist(x=0.1), "", "the frame ''"),
        (twist(x=0.1), "camera", "the frame 'camera' is none of base, tip"),
        (twist(x=np.nan), "base", "not finite"),
    ],
)
def test_an_invalid_twist_is_refused_and_halts(vector, frame, reason):
    s = servo()
    run(s, 1.0, 1.2, (twist(x=-0.2), "base"))
    assert reason in s.submit(vector, frame, 1.2, 1.2, START)
    run(s, 1.2, 2.0)
    assert not s.active


def test_velocity_limits_scale_all_joints_together():
    slow, fast = (run(servo(), 1.0, 1.3, (f * twist(x=-0.1, turn=0.4), "base"))[1] for f in (1, 40))
    v_slow = (slow[30] - slow[29]) / PERIOD
    v_fast = np.diff(fast, axis=0, prepend=START[None]) / PERIOD
    assert np.abs(v_fast).max() <= 1.0 + 1e-9
    assert np.abs(v_fast).max() > 0.99
    first = v_fast[0] / np.linalg.norm(v_fast[0])
    np.testing.assert_allclose(first, v_slow / np.linalg.norm(v_slow), atol=0.1)


def test_a_joint_at_its_margin_halts_the_whole_arm_inside_the_limit():
    s = servo()
    _, q = run(s, 1.0, 6.0, (twist(turn=3.0), "base"))
    assert q.max() <= 2.0 - LIMIT_MARGIN_RAD + 1e-3
    np.testing.assert_allclose(q[-1], q[-2], atol=1e-4)
    v = np.diff(q, axis=0) / PERIOD
    assert np.abs(np.diff(v, axis=0) / PERIOD).max() <= 10.0 * 1.001


def test_leaving_a_limit_is_allowed():
    s = servo()
    run(s, 1.0, 6.0, (twist(turn=3.0), "base"))
    before = s.step(6.0, PERIOD)
    _, q = run(s, 6.0, 6.3, (twist(turn=-1.0), "base"))
    assert q[-1].max() < before.max() - 0.01


def test_stop_lets_go_at_once():
    s = servo()
    run(s, 1.0, 1.2, (twist(x=-0.2), "base"))
    s.stop()
    assert not s.active
