# SPDX-License-Identifier: Apache-2.0
"""The two cameras of the simulated robot: pose, rendering, projection."""

from __future__ import annotations

import atexit
import weakref

import mujoco
import numpy as np
import numpy.typing as npt

CAMERAS = {"front": "agentview", "wrist": "robot0_eye_in_hand"}
"""Camera name of the robot -> camera name of the MuJoCo model."""

IMAGE_SIZE = 96
BEHIND_CAMERA = -9.0

_FRONT_POSITION = np.array([0.72, 0.0, 0.72])
_FRONT_LOOKS_AT = np.array([-0.03, 0.0, 0.04])
_FRONT_FOVY_DEG = 32.0
VISUAL_GEOM_GROUP = 1
_NEAREST_VISIBLE_M = 0.01


def place_front_camera(spec: mujoco.MjSpec) -> None:
    """Move the fixed camera so that it looks down at the working area from the front."""
    backward = _FRONT_POSITION - _FRONT_LOOKS_AT
    backward /= np.linalg.norm(backward)
    right = np.cross([0.0, 0.0, 1.0], backward)
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(backward, right), backward], axis=1)
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, rotation.ravel())
    camera = spec.camera(CAMERAS["front"])
    camera.pos = _FRONT_POSITION
    camera.quat = quaternion
    camera.fovy = _FRONT_FOVY_DEG


class CameraRenderer:
    """Renders the cameras without shadows, reflections or haze.

    The GL context belongs to the thread that made this object.
    """

    def __init__(self, model: mujoco.MjModel, size: int = IMAGE_SIZE) -> None:
        """Make the GL context for square pictures of `size` pixels."""
        self._renderer = mujoco.Renderer(model, size, size)
        # At interpreter exit this runs while EGL can still be called; the renderer's own
        # destructor would come too late. So would weakref's own hook where it was first used
        # before mujoco: hooks run in the opposite order.
        self._finalizer = weakref.finalize(self, self._renderer.close)
        self._finalizer.atexit = False
        atexit.register(self._finalizer)
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[VISUAL_GEOM_GROUP] = 1
        self._option.sitegroup[:] = 0
        self._option.flags[:] = 0
        self._option.flags[mujoco.mjtVisFlag.mjVIS_STATIC] = 1
        self._option.flags[mujoco.mjtVisFlag.mjVIS_TEXTURE] = 1
        self._renderer.scene.flags[:] = 0
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_CULL_FACE] = 1

    def render(self, data: mujoco.MjData) -> dict[str, npt.NDArray[np.uint8]]:
        """Return one rgb picture, uint8 [size, size, 3], for each camera."""
        images = {}
        for name, model_name in CAMERAS.items():
            self._renderer.update_scene(data, model_name, self._option)
            images[name] = self._renderer.render().copy()
        return images

    def close(self) -> None:
        """Free the GL context."""
        self._finalizer()
        atexit.unregister(self._finalizer)


def project(
    model: mujoco.MjModel, data: mujoco.MjData, points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Project world points into the pictures.

    Args:
        model: the scene.
        data: its state, kinematics computed.
        points: [n, 3], m, world frame.

    Returns:
        [n, cameras, 2]: column and row, 0 to 1 inside the picture (they may lie outside),
        `BEHIND_CAMERA` for points behind the camera.
    """
    result = np.empty((len(points), len(CAMERAS), 2), np.float32)
    for k, model_name in enumerate(CAMERAS.values()):
        camera = model.camera(model_name).id
        local = (points - data.cam_xpos[camera]) @ data.cam_xmat[camera].reshape(3, 3)
        depth = -local[:, 2]
        focal = 0.5 / np.tan(np.deg2rad(model.cam_fovy[camera]) / 2)
        scale = focal / np.maximum(depth, _NEAREST_VISIBLE_M)
        result[:, k, 0] = 0.5 + scale * local[:, 0]
        result[:, k, 1] = 0.5 - scale * local[:, 1]
        result[depth <= _NEAREST_VISIBLE_M, k] = BEHIND_CAMERA
    return result
