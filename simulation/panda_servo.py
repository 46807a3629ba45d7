# SPDX-License-Identifier: Apache-2.0
"""The twist servo of the simulated Panda: its limits, and the tip's Jacobian."""

from __future__ import annotations

import mujoco
import numpy as np

from simulation.kinematics import ToolKinematics
from simulation.servo import ServoLimits, TwistServo
from simulation.urdf import BASE_LINK, TIP_LINK

# Franka Emika Panda, joint velocity and acceleration limits of its data sheet.
_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
_ACCELERATION = np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0])


def make_panda_servo(model: mujoco.MjModel) -> TwistServo:
    """Return a servo for the seven arm joints of the scene's Panda, whose base is not turned."""
    position = model.jnt_range[:7]
    limits = ServoLimits(
        lower=position[:, 0].copy(),
        upper=position[:, 1].copy(),
        velocity=_VELOCITY,
        acceleration=_ACCELERATION,
    )
    return TwistServo(limits, ToolKinematics(model).jacobian, BASE_LINK, TIP_LINK)
