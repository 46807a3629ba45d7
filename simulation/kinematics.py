# SPDX-License-Identifier: Apache-2.0
"""Forward and inverse kinematics of the tool (the grip site) on the compiled scene."""

from __future__ import annotations

import mujoco
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

ARM_HOME = np.array([0.0, -0.16103739, 0.0, -2.44459747, 0.0, 2.2267522, 0.78539816])
"""Arm joints [7], rad, with the tool pointing straight down over the working area."""

TOOL_SITE = "gripper0_grip_site"

_DAMPING = 1e-5
_POSTURE_GAIN = 0.3
_MAX_ITERATION_STEP_RAD = 0.4
_CONVERGED_RAD = 1e-4


class ToolKinematics:
    """Solves for arm joints that put the tool at a point, pointing down.

    Works on its own scratch state: the simulated robot is not touched.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        """Take the downward orientation from the home posture."""
        self._model = model
        self._data = mujoco.MjData(model)
        self._site = model.site(TOOL_SITE).id
        self._jacobian = np.zeros((6, model.nv))
        _, home = self.forward(ARM_HOME)
        self._down = np.round(home)

    def forward(self, arm: Array) -> tuple[Array, Array]:
        """Return the tool's position [3], m, and rotation [3, 3], both in the world frame."""
        self._data.qpos[:7] = arm
        mujoco.mj_kinematics(self._model, self._data)
        rotation = self._data.site_xmat[self._site].reshape(3, 3).copy()
        return self._data.site_xpos[self._site].copy(), rotation

    def jacobian(self, arm: Array) -> tuple[Array, Array]:
        """Return the tool's Jacobian [6, 7] (linear, then angular) and rotation, see `forward`."""
        _, rotation = self.forward(arm)
        mujoco.mj_comPos(self._model, self._data)
        jacobian = self._jacobian
        mujoco.mj_jacSite(self._model, self._data, jacobian[:3], jacobian[3:], self._site)
        return jacobian[:, :7].copy(), rotation

    def yaw(self, rotation: Array) -> float:
        """Return by how much a tool of this rotation [3, 3] is turned about the world's z, rad."""
        turn = rotation @ self._down.T
        return float(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1]))

    def inverse(
        self, position: Array, start: Array, iterations: int = 12, yaw: float = 0.0
    ) -> Array:
        """Damped least squares from `start`, with a pull to the home posture in the null space.

        Args:
            position: tool position wanted [3], m, world frame.
            start: arm joints [7], rad.
            iterations: at most so many steps.
            yaw: turn of the tool about the world's z axis, rad; 0 as in the home posture.

        Returns:
            Arm joints [7], rad, inside the joint limits.
        """
        arm = start.copy()
        wanted = _about_z(yaw) @ self._down
        for _ in range(iterations):
            columns, rotation = self.jacobian(arm)
            here = self._data.site_xpos[self._site]
            turn = wanted @ rotation.T
            axis = 0.5 * np.array(
                [turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]
            )
            error = np.concatenate([position - here, axis])
            inverse = columns.T @ np.linalg.inv(columns @ columns.T + _DAMPING * np.eye(6))
            posture = _POSTURE_GAIN * (ARM_HOME - arm)
            step = inverse @ error + (np.eye(7) - inverse @ columns) @ posture
            largest = float(np.abs(step).max())
            arm += step * min(1.0, _MAX_ITERATION_STEP_RAD / max(largest, 1e-9))
            if largest < _CONVERGED_RAD:
                break
        limits = self._model.jnt_range[:7]
        clipped: Array = np.clip(arm, limits[:, 0], limits[:, 1])
        return clipped


def _about_z(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
