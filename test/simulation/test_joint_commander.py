# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from simulation.joint_commander import JointCommander
from simulation.servo import ServoLimits, TwistServo
from simulation.trajectory import JointTrajectory, TrajectoryPoint

NAMES = ("x", "y", "finger")
LIMITS = ServoLimits(np.full(2, -9.0), np.full(2, 9.0), np.ones(2), np.full(2, 10.0))


def gantry(_):
    jacobian = np.zeros((6, 2))
    jacobian[0, 0] = jacobian[1, 1] = 1.0
    return jacobian, np.eye(3)


def commander():
    servo = TwistServo(LIMITS, gantry, "base", "tip")
    return JointCommander(NAMES, np.array([0.0, 0.0, 0.04]), servo)


def to(x, y, finger):
    return JointTrajectory(NAMES, [TrajectoryPoint(1.0, (x, y, finger))])


def run(c, start, seconds):
    for k in range(round(seconds / 0.004)):
        result = c.setpoint(start + 0.004 * k)
    return result


TWIST = np.array([0.5, 0, 0, 0, 0, 0])


def test_a_trajectory_moves_all_joints():
    c = commander()
    run(c, 0.0, 0.1)
    assert c.submit_trajectory(to(1, 2, 0), 0.1) is None
    np.testing.assert_allclose(run(c, 0.1, 1.2), [1, 2, 0])
    assert c.counts == {"trajectories_accepted": 1}


def test_a_twist_takes_over_from_where_the_trajectory_is_and_leaves_the_finger():
    c = commander()
    c.submit_trajectory(to(1, 2, 0.0), 0.0)
    before = run(c, 0.0, 0.5)
    assert c.submit_twist(TWIST, "base", 0.5, 0.5) is None
    after = run(c, 0.5, 0.5)
    assert after[0] > before[0] + 0.02
    np.testing.assert_allclose(after[1:], before[1:], atol=1e-12)  # 2 and 0 are forgotten


def test_a_trajectory_takes_over_from_the_servo_without_a_jump():
    c = commander()
    run(c, 0.0, 0.1)
    c.submit_twist(TWIST, "base", 0.1, 0.1)
    before = run(c, 0.1, 0.06)
    assert c.submit_trajectory(to(0, 0, 0.04), 0.16) is None
    np.testing.assert_allclose(c.setpoint(0.16), before, atol=2e-3)
    np.testing.assert_allclose(run(c, 0.164, 1.2), [0, 0, 0.04], atol=1e-12)


def test_a_rejected_command_is_counted_and_named_and_the_running_one_goes_on():
    c = commander()
    c.submit_trajectory(to(1, 2, 0), 0.0)
    run(c, 0.0, 0.5)
    assert "unknown" in c.submit_trajectory(JointTrajectory(("z",), []), 0.5)
    np.testing.assert_allclose(run(c, 0.5, 0.6), [1, 2, 0])
    assert "frame" in c.submit_twist(TWIST, "moon", 1.1, 1.1)
    assert c.counts["trajectories_rejected"] == 1
    assert c.counts["twists_rejected"] == 1
    assert "moon" in c.last_rejection


def test_targets_that_are_not_finite_are_dropped_and_counted():
    c = commander()
    c.submit_trajectory(to(np.nan, 1, 0), 0.0)
    np.testing.assert_array_equal(run(c, 0.0, 0.4), [0, 0, 0.04])
    assert c.counts["nonfinite_setpoints"] == 100
    c.submit_trajectory(to(1, 1, 0), 0.4)
    assert not np.isnan(run(c, 0.4, 1.2)).any()


def test_reset_forgets_commands():
    c = commander()
    c.submit_trajectory(to(1, 2, 0), 0.0)
    run(c, 0.0, 0.5)
    c.reset(np.array([0.3, 0.3, 0.04]))
    np.testing.assert_array_equal(run(c, 0.0, 0.5), [0.3, 0.3, 0.04])


def test_a_gripper_of_its_own_is_no_joint_of_the_trajectories():
    servo = TwistServo(LIMITS, gantry, "base", "tip")
    c = JointCommander(NAMES, np.array([0.0, 0.0, 0.04]), servo, own_gripper=True)
    run(c, 0.0, 0.1)
    assert "unknown joints: finger" in c.submit_trajectory(to(1.0, 0.0, 0.0), 0.1)
    arm = JointTrajectory(NAMES[:2], [TrajectoryPoint(1.0, (1.0, -0.5))])
    assert c.submit_trajectory(arm, 0.1) is None
    assert c.submit_grip(0.01) is None
    np.testing.assert_allclose(run(c, 0.1, 2.0), [1.0, -0.5, 0.01])
    assert c.submit_twist(TWIST, "base", 2.2, 2.2) is None
    assert run(c, 2.2, 0.08)[2] == 0.01
    assert "nan" in c.submit_grip(float("nan"))
    c.reset(np.array([0.0, 0.0, 0.03]))
    np.testing.assert_array_equal(run(c, 9.0, 0.1), [0.0, 0.0, 0.03])


def test_a_gripper_in_the_trajectory_takes_no_command_of_its_own():
    c = commander()
    assert "trajectory controller" in c.submit_grip(0.0)
    assert c.counts["grips_rejected"] == 1
