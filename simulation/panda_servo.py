# SPDX-License-Identifier: Apache-2.0
"""The twist servo of the simulated Panda: its limits, and the tip's Jacobian by MuJoCo."""

from __future__ import annotations

import mujoco
import numpy as np

from simulation.kinematics import TOOL_SITE, Array
from simulation.servo import ServoLimits, TwistServo
from simulation.urdf import BASE_LINK, TIP_LINK

# Franka Emika Panda, joint velocity and acceleration limits of its data sheet.
_VELOCITY = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])
_ACCELERATION = np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0])


class TipKinematics:
    """Jacobian and rotation of the grip site for joint positions [7], on a state of its own.

    The base's axes are parallel to the world's, so both are in the base frame.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        """Make the scratch state."""
        self._model = model
        self._data = mujoco.MjData(model)
        self._site = model.site(TOOL_SITE).id
        self._jacobian = np.zeros((6, model.nv))

    def __call__(self, arm: Array) -> tuple[Array, Array]:
        """Return the Jacobian [6, 7] (linear, then angular) and the rotation [3, 3]."""
        data = self._data
        data.qpos[:7] = arm
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_jacSite(self._model, data, self._jacobian[:3], self._jacobian[3:], self._site)
        return self._jacobian[:, :7].copy(), data.site_xmat[self._site].reshape(3, 3).copy()


def make_panda_servo(model: mujoco.MjModel) -> TwistServo:
    """Return a servo for the seven arm joints of the scene's Panda."""
    position = model.jnt_range[:7]
    limits = ServoLimits(
        lower=position[:, 0].copy(),
        upper=position[:, 1].copy(),
        velocity=_VELOCITY,
        acceleration=_ACCELERATION,
    )
    return TwistServo(limits, TipKinematics(model), BASE_LINK, TIP_LINK)
