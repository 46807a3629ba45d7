# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mujoco")

from simulation.kinematics import ARM_HOME, ToolKinematics
from simulation.panda_servo import make_panda_servo
from simulation.scene import load_scene

POSTURE = ARM_HOME + np.array([0.3, 0.2, -0.2, 0.1, 0.3, -0.2, 0.4])


@pytest.fixture(scope="module")
def model():
    return load_scene()


def test_the_jacobian_is_the_derivative_of_the_tips_pose(model):
    tool = ToolKinematics(model)
    jacobian, rotation = tool.jacobian(POSTURE)
    np.testing.assert_allclose(rotation, tool.forward(POSTURE)[1], atol=1e-9)
    for k in range(7):
        step = 1e-6 * np.eye(7)[k]
        (here, turned), (before, _) = tool.forward(POSTURE + step), tool.forward(POSTURE - step)
        np.testing.assert_allclose((here - before) / 2e-6, jacobian[:3, k], atol=1e-6)
        spin = (turned @ rotation.T - np.eye(3)) / 1e-6
        np.testing.assert_allclose([spin[2, 1], spin[0, 2], spin[1, 0]], jacobian[3:, k], atol=1e-5)


def test_a_twist_moves_the_tip_straight_at_the_speed_that_was_sent(model):
    servo, tool = make_panda_servo(model), ToolKinematics(model)
    positions = ARM_HOME
    track = []
    for k in range(100):
        now = 1.0 + 0.004 * k
        servo.submit(np.array([0, 0.1, 0, 0, 0, 0]), "panda_link0", now, now, ARM_HOME)
        positions = servo.step(now, 0.004)
        track.append(tool.forward(positions))
    moved = track[99][0] - track[49][0]
    np.testing.assert_allclose(moved, [0, 0.1 * 50 * 0.004, 0], atol=3e-4)
    np.testing.assert_allclose(track[99][1], track[0][1], atol=2e-3)
