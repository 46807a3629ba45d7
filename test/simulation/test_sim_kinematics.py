# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np

from simulation.kinematics import ARM_HOME


def test_inverse_reaches_points_of_the_working_area_pointing_down(robot):
    rng = np.random.default_rng(0)
    for _ in range(20):
        wanted = rng.uniform([-0.2, -0.27, 0.01], [0.13, 0.27, 0.32])
        arm = robot.kinematics.inverse(wanted, ARM_HOME, iterations=40)
        position, rotation = robot.kinematics.forward(arm)
        assert np.linalg.norm(position - wanted) < 2e-3
        assert np.linalg.norm(rotation[:, 2] - [0, 0, -1]) < 2e-2


def test_inverse_respects_joint_limits(robot):
    limits = robot.model.jnt_range[:7]
    arm = robot.kinematics.inverse(np.array([3.0, 0.0, 0.0]), ARM_HOME, iterations=40)
    assert np.all(arm >= limits[:, 0]) and np.all(arm <= limits[:, 1])


def test_solving_leaves_the_robot_alone(robot):
    robot.reset(0)
    before = robot.positions
    robot.kinematics.inverse(np.array([0.1, 0.1, 0.2]), ARM_HOME)
    assert np.array_equal(robot.positions, before)


def test_inverse_turns_the_tool_about_the_vertical(robot):
    for yaw in (-1.1, -0.4, 0.0, 0.7, 1.1):
        arm = robot.kinematics.inverse(np.array([0.05, -0.05, 0.02]), ARM_HOME, 40, yaw=yaw)
        position, rotation = robot.kinematics.forward(arm)
        assert np.linalg.norm(position - [0.05, -0.05, 0.02]) < 2e-3
        assert np.linalg.norm(rotation[:, 2] - [0, 0, -1]) < 2e-2
        assert abs(robot.kinematics.yaw(rotation) - yaw) < 2e-2
        assert rotation[:, 0] @ robot.kinematics.forward(ARM_HOME)[1][:, 0] > np.cos(yaw) - 0.02
