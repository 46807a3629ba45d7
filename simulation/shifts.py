# SPDX-License-Identifier: Apache-2.0
"""Shifts: named settings in which the scene differs from what a policy was trained on.

All are drawn from the episode's seed, and none needs the model to be compiled again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import mujoco
import numpy as np
import numpy.typing as npt

from quantvla_ros.errors import QuantVLAError
from simulation.cameras import CAMERAS
from simulation.tasks.objects import OBJECTS
from simulation.tasks.task import Layout

Images = dict[str, npt.NDArray[np.uint8]]

_CAMERA_OFFSET_M, _CAMERA_TURN_RAD = 0.04, 0.035
_LIGHT_LEFT = 0.45
_NOISE_GREY_LEVELS = 14.0
_LEAST_TINT = 0.35


@dataclass(frozen=True)
class Shift:
    """One setting; what a part does not concern is None."""

    description: str
    layout: Callable[[Layout], Layout] | None = None
    model: Callable[[mujoco.MjModel, np.random.Generator], None] | None = None
    picture: (
        Callable[[npt.NDArray[np.uint8], np.random.Generator], npt.NDArray[np.uint8]] | None
    ) = None


def _tint_objects(model: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Multiply each object's texture by a colour of its own, one channel left at full."""
    for item in OBJECTS:
        body = model.body(f"{item.name.replace(' ', '_')}_1_main").id
        tint = rng.uniform(_LEAST_TINT, 1.0, 3)
        tint[rng.integers(3)] = 1.0
        tint[rng.integers(3)] = _LEAST_TINT
        model.geom_rgba[model.geom_bodyid == body, :3] = tint


def _move_camera(model: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Shift the front camera by 4 cm and turn it by 2 degrees, in directions from the seed."""
    camera = model.camera(CAMERAS["front"]).id
    model.cam_pos[camera] += _CAMERA_OFFSET_M * _direction(rng)
    turn, turned = np.zeros(4), np.zeros(4)
    mujoco.mju_axisAngle2Quat(turn, _direction(rng), _CAMERA_TURN_RAD)
    mujoco.mju_mulQuat(turned, turn, model.cam_quat[camera])
    model.cam_quat[camera] = turned


def _direction(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    vector = rng.normal(size=3)
    unit: npt.NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def _dim(model: mujoco.MjModel, rng: np.random.Generator) -> None:
    """Take away about half of the light, a little more of some colour."""
    left = _LIGHT_LEFT * rng.uniform(0.85, 1.15, 3)
    for values in (model.vis.headlight.ambient, model.vis.headlight.diffuse):
        values[:] *= left
    model.light_ambient[:] *= left
    model.light_diffuse[:] *= left


def _add_noise(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    noisy = image + rng.normal(0.0, _NOISE_GREY_LEVELS, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


SHIFTS = {
    "more_objects": Shift(
        "more things lie around", layout=lambda layout: replace(layout, more_objects=True)
    ),
    "unseen_places": Shift(
        "things lie where none lay in training",
        layout=lambda layout: replace(layout, unseen_places=True),
    ),
    "unseen_colours": Shift("every object is tinted in another colour", model=_tint_objects),
    "camera_moved": Shift("the front camera is 4 cm and 2 degrees off", model=_move_camera),
    "dim_light": Shift("about half of the light", model=_dim),
    "image_noise": Shift("noise of 14 grey levels on every pixel", picture=_add_noise),
}


class ShiftedScene:
    """Applies shifts to one model: afresh at every reset, and to every picture."""

    def __init__(self, model: mujoco.MjModel, names: Sequence[str]) -> None:
        """Remember what the model looks like without shifts.

        Raises:
            QuantVLAError: no shift has one of these names.
        """
        for name in names:
            if name not in SHIFTS:
                raise QuantVLAError(f"Unknown shift '{name}'; choose from: {', '.join(SHIFTS)}.")
        self._names = tuple(dict.fromkeys(names))
        self._model = model
        self._seed = 0
        self._pristine = [np.array(field) for field in self._fields()]
        self.layout = Layout()
        for name in self._names:
            change = SHIFTS[name].layout
            if change is not None:
                self.layout = change(self.layout)

    def reset(self, seed: int) -> None:
        """Make the model that of the episode of `seed`."""
        self._seed = seed
        for field, value in zip(self._fields(), self._pristine, strict=True):
            field[:] = value
        for name in self._names:
            change = SHIFTS[name].model
            if change is not None:
                change(self._model, self._rng(name))

    def pictures(self, images: Images, time: float) -> Images:
        """Return the pictures as this episode's cameras deliver them at `time`, s."""
        for name in self._names:
            change = SHIFTS[name].picture
            if change is not None:
                rng = self._rng(name, round(time * 1000))
                images = {camera: change(image, rng) for camera, image in images.items()}
        return images

    def _rng(self, name: str, *more: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(name.encode()), *more])

    def _fields(self) -> tuple[npt.NDArray[np.generic], ...]:
        model = self._model
        return (
            model.geom_rgba,
            model.cam_pos,
            model.cam_quat,
            model.vis.headlight.ambient,
            model.vis.headlight.diffuse,
            model.light_ambient,
            model.light_diffuse,
        )
